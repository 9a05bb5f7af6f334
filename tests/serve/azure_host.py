"""A small Azure Functions host, written from the documentation of custom handlers: start-up polling, the default
mode that wraps invocations, and the mode that passes HTTP requests on."""

import base64
import http.client
import json
import os
import subprocess
import time
import uuid

from http_server import free_port
from mock_runtime import end


class Failed(Exception):
    """The handler did not answer an invocation with 2xx."""


class Host:
    """Runs the app in a folder as the platform would after unpacking it."""

    def __init__(self, folder, variable="FUNCTIONS_CUSTOMHANDLER_PORT", **environment):
        self.folder = folder
        self.settings = json.loads((folder / "host.json").read_text())
        assert self.settings["version"] == "2.0"
        handler = self.settings["customHandler"]
        self.proxies = handler.get("enableProxyingHttpRequest") or handler.get("enableForwardingHttpRequest") or False
        self.port = free_port()
        description = handler["description"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INFER_P", "MODEL"))}
        self.process = subprocess.Popen(
            [str(folder / description["defaultExecutablePath"]), *description["arguments"]], cwd=folder,
            env={**clean, variable: str(self.port), "FUNCTIONS_WORKER_RUNTIME": "custom", **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.polls = self.poll()

    def poll(self):
        """Asks for / every 25 ms until there is any HTTP answer."""
        for count in range(1, 400):
            try:
                self.exchange("GET", "/")
                return count
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.process.stderr.read())
                time.sleep(0.025)
        raise TimeoutError("the handler does not listen")

    def exchange(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def bindings(self, name):
        return json.loads((self.folder / name / "function.json").read_text())["bindings"]

    def invoke(self, name, data, metadata=None):
        """One invocation of the default mode; returns the outputs by binding and the logs."""
        headers = {"Content-Type": "application/json", "X-Azure-Functions-InvocationId": str(uuid.uuid4()),
                   "X-Azure-Functions-HostVersion": "4.0.0", "User-Agent": "Azure-Functions-Host/4.0.0"}
        body = json.dumps({"Data": data, "Metadata": metadata or {"sys": {"MethodName": name}}})
        status, _, reply = self.exchange("POST", f"/{name}", body, headers)
        if not 200 <= status < 300:
            raise Failed(status, reply.decode())
        answer = json.loads(reply)
        assert set(answer) == {"Outputs", "Logs", "ReturnValue"}
        assert all(isinstance(line, str) for line in answer["Logs"])
        outputs = dict(answer["Outputs"])
        if answer["ReturnValue"] is not None:
            outputs["$return"] = answer["ReturnValue"]
        known = {binding["name"] for binding in self.bindings(name) if binding["direction"] == "out"}
        assert set(outputs) <= known, (outputs, known)
        for value in outputs.values():
            self.try_base64(value)
        return outputs, answer["Logs"]

    @staticmethod
    def try_base64(value):
        """What the host does to strings among the outputs; an answer must not be one that it would spoil."""
        if isinstance(value, dict):
            value = value.get("body", value)
        assert not isinstance(value, str), value

    def http(self, name, body, method="POST", headers=None, query=None):
        """A request to /api/NAME; status and JSON of what the client gets."""
        headers = headers or {"Content-Type": "application/json"}
        if self.proxies:
            status, _, reply = self.exchange(method, f"/api/{name}", body, {
                **headers, "X-Azure-Functions-InvocationId": str(uuid.uuid4())})
            return status, json.loads(reply)
        kind = headers.get("Content-Type", "")
        raw = body.encode() if isinstance(body, str) else body
        coded = kind.startswith(("application/octet-stream", "multipart/", "image/"))
        text = base64.b64encode(raw).decode() if coded else raw.decode()
        trigger = next(b["name"] for b in self.bindings(name) if b["type"] == "httpTrigger")
        outputs, _ = self.invoke(name, {trigger: {
            "Url": f"http://localhost:7071/api/{name}", "Method": method, "Query": query if query else "{}",
            "Headers": {key: [value] for key, value in headers.items()}, "Params": {}, "Identities": [],
            "Body": text}})
        [answer] = outputs.values()
        assert answer["headers"]["content-type"] == "application/json"
        return answer["statusCode"], answer["body"]

    def trigger(self, name, payload):
        """A queue's message, a blob or a timer's tick."""
        binding = next(b["name"] for b in self.bindings(name) if b["type"].endswith("Trigger"))
        return self.invoke(name, {binding: payload}, {"sys": {"MethodName": name}, "DequeueCount": "1"})

    def stop(self):
        self.process.terminate()
        error = self.process.communicate(timeout=20)[1]
        return self.process.returncode, error

    def close(self):
        end(self.process)
