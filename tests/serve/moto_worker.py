"""Runs boto3 for the tests, in moto's own environment: a call a line in JSON, its answer a line in JSON.

A call is [service, method, arguments]; bytes travel as {"bytes64": "..."}.
"""

import base64
import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def decode(value):
    return base64.b64decode(value["bytes64"]) if isinstance(value, dict) and "bytes64" in value else value


def encode(value):
    if hasattr(value, "read"):
        value = value.read()
    return {"bytes64": base64.b64encode(value).decode()} if isinstance(value, bytes) else str(value)


def main():
    clients = {}
    for line in sys.stdin:
        service, method, arguments = json.loads(line)
        try:
            if service == "credentials":
                os.environ.update(arguments)
                clients, answer = {}, {}
            else:
                if service not in clients:
                    clients[service] = boto3.Session().client(service, endpoint_url=sys.argv[1], config=Config(
                        s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
                answer = getattr(clients[service], method)(**{key: decode(value) for key, value in arguments.items()})
        except ClientError as error:
            answer = {"error": error.response["Error"]}
        print(json.dumps(answer, default=encode), flush=True)


if __name__ == "__main__":
    main()
