"""A server of the handlers on a port of its own, and what the tests ask of it."""

import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from mock_runtime import EXE, end

OWN = ("AWS_", "LAMBDA_", "MODEL_PATH", "INFER_MAX", "K_SERVICE", "PORT", "FUNCTION", "fprocess")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    def __init__(self, *arguments, platform="http", exe=EXE, env=None, port=None, name_port=True):
        self.port = port or free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        words = [str(exe), *(["--platform", platform] if platform else []), *map(str, arguments)]
        if name_port:
            words += ["--port", str(self.port)]
        self.process = subprocess.Popen(words, env={**clean, **(env or {})}, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.wait()

    def wait(self):
        for _ in range(500):
            try:
                return self.connect().close()
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.process.stderr.read())
                time.sleep(0.01)
        raise TimeoutError("the server does not listen")

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def send(self, data, timeout=20, ends=True):
        """All that comes back for raw bytes, behind which the stream ends, until the server closes."""
        with self.connect(timeout) as one:
            try:
                one.sendall(data)
                if ends:
                    one.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            parts = []
            try:
                while part := one.recv(65536):
                    parts.append(part)
            except OSError:
                pass
        return b"".join(parts)

    def request(self, method, path, body=None, headers=None, timeout=20):
        """Status, headers and body (JSON where it is) of a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            data = reply.read()
            is_json = "json" in (reply.headers["content-type"] or "")
            return reply.status, reply.headers, json.loads(data) if is_json and data else data
        finally:
            connection.close()

    def predict(self, body, **headers):
        return self.request("POST", "/predict", body, {"content-type": "application/json", **headers})

    def resident_kb(self):
        """0 under a sanitizer, whose own memory hides the program's."""
        if "INFER_SANITIZED" in os.environ:
            return 0
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    def stop(self, patience=20):
        """Ends the process by SIGTERM; returns its exit code and its standard error."""
        self.process.terminate()
        error = self.process.communicate(timeout=patience)[1]
        return self.process.returncode, error

    def close(self):
        end(self.process)


def drain(server, path, kind, body, connections=64, requests=10000):
    """SIGTERM after a fifth of the requests; returns how many were answered with 200, and what became of the others
    that were sent on a connection which had been accepted."""
    each, answered, lost = requests // connections, [0] * connections, []
    headers = {"content-type": kind}

    def work(i):
        while answered[i] < each:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
                connection.connect()
            except ConnectionRefusedError:
                return
            try:
                closing = False
                while not closing and answered[i] < each:
                    connection.request("POST", path, body, headers)
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status != 200:
                        lost.append(reply.status)
                    closing = reply.headers["connection"] == "close"
                    answered[i] += 1
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
                return
            finally:
                connection.close()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    while sum(answered) < requests // 5 and any(thread.is_alive() for thread in threads):
        time.sleep(0.005)
    server.process.terminate()
    for thread in threads:
        thread.join()
    return sum(answered), lost
