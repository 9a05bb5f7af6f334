"""The loop around a Python handler on AWS Lambda: python runtime.py MODULE."""

import http.client
import importlib
import json
import os
import sys

API = "/2018-06-01/runtime/invocation"


def main():
    handler = importlib.import_module(sys.argv[1]).lambda_handler
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", f"{API}/next")
        response = connection.getresponse()
        event = json.loads(response.read())
        answer = json.dumps(handler(event, None))
        connection.request("POST", f"{API}/{response.headers['Lambda-Runtime-Aws-Request-Id']}/response", answer)
        connection.getresponse().read()


if __name__ == "__main__":
    main()
