"""A Lambda runtime API to test against: it hands out events and records what comes back."""

import json
import os
import queue
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXE = Path(os.environ.get("INFER_SERVE_EXE", ROOT / "build" / "bindings" / "serve" / "infer-serve"))
VERSION = "/2018-06-01"


ENDING = []


def end(process):
    """Tells what still runs to end, as its platform would: a sanitizer finds leaks at a proper end only. Nobody waits
    for the end but await_ends."""
    if process.poll() is None:
        process.terminate()
    ENDING.append(process)
    for one in [one for one in ENDING if one.poll() is not None]:
        one.communicate()
        ENDING.remove(one)


def await_ends(patience=20):
    for one in ENDING:
        try:
            one.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            one.kill()
            one.communicate()
    ENDING.clear()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.runtime.connections.append(self.client_address)

    def log_message(self, *arguments):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def read_chunks(self):
        """A chunked body, noted chunk by chunk as it arrives, and its trailers."""
        chunks, trailers = [], {}
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            assert self.rfile.read(2) == b"\r\n"
        while line := self.rfile.readline().strip().decode():
            name, value = line.split(": ", 1)
            trailers[name] = value
        self.server.runtime.chunks.append(chunks)
        return b"".join(chunks), trailers

    def do_GET(self):
        runtime = self.server.runtime
        runtime.requests.append(("GET", self.path, dict(self.headers)))
        runtime.polls.put(self.path)
        item = runtime.events.get()
        if item == "drop":
            return self.hang_up()
        if isinstance(item, int):
            return self.reply(item, b"{}")
        if item is not None:
            body, headers = item
            self.reply(200, body, headers)

    def do_POST(self):
        runtime = self.server.runtime
        runtime.requests.append(("POST", self.path, dict(self.headers)))
        fault = runtime.faults.pop(0) if runtime.faults else None
        if fault == "refuse unread":
            self.reply(413, b"{}", [("Connection", "close")])
            self.close_connection = True
            return
        if fault == "drop unread":
            return self.hang_up()
        trailers = {}
        if self.headers.get("Transfer-Encoding") == "chunked":
            body, trailers = self.read_chunks()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        if fault == "drop":
            return self.hang_up()
        if fault:
            self.reply(fault, b'{"errorMessage":"refused"}')
        else:
            self.reply(202, b'{"status":"OK"}\n')
        runtime.answers.put((self.path, {**self.headers, **trailers}, body, fault))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Runtime:
    """The API on a port of its own, and the process that it drives."""

    def __init__(self, prefix=""):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.runtime = self
        self.prefix = prefix
        self.events, self.polls, self.answers = queue.Queue(), queue.Queue(), queue.Queue()
        self.requests, self.connections, self.faults, self.chunks = [], [], [], []
        self.count = 0
        self.process = None
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_address[1]}{self.prefix}"

    def start(self, *arguments, exe=EXE, env=None, scheme=""):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("AWS_", "LAMBDA_", "MODEL_PATH"))}
        clean["AWS_LAMBDA_RUNTIME_API"] = scheme + self.address
        self.process = subprocess.Popen([str(exe), *map(str, arguments)], env={**clean, **(env or {})},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self

    def send(self, event, **headers):
        """Queues an event (bytes, or what becomes JSON) and returns its id."""
        self.count += 1
        request_id = f"00000000-0000-4000-8000-{self.count:012d}"
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        sent = {"Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 3000),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
                "Lambda-Runtime-Trace-Id": f"Root=1-{self.count:08x};Sampled=1",
                "Content-Type": "application/json", **headers}
        self.events.put((body, list(sent.items())))
        return request_id

    def answer(self, timeout=20):
        """What was posted next: path without the prefix, headers, JSON, and the fault it met."""
        path, headers, body, fault = self.answers.get(timeout=timeout)
        assert path.startswith(self.prefix + VERSION), path
        return path[len(self.prefix + VERSION):], headers, json.loads(body), fault

    def invoke(self, event):
        """Sends an event and returns the status and the body of its answer."""
        request_id = self.send(event)
        path, _, reply, _ = self.answer()
        assert path == f"/runtime/invocation/{request_id}/response"
        assert reply["headers"] == {"content-type": "application/json"}
        return reply["statusCode"], json.loads(reply["body"])

    def next_poll(self, timeout=10):
        return self.polls.get(timeout=timeout)

    def stop(self):
        """Ends the process by SIGTERM; returns its exit code, its standard error, and the seconds."""
        started = time.monotonic()
        self.process.terminate()
        code, errors = self.wait()
        return code, errors, time.monotonic() - started

    def wait(self, timeout=20):
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors.decode()

    def close(self):
        """Ends what still runs, which has to end well: a sanitizer's finding is an exit code too."""
        try:
            if self.process and self.process.returncode is None:
                code, errors, _ = self.stop()
                assert code == 0, errors
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.communicate()
            self.events.put(None)
            self.server.shutdown()
            self.server.server_close()
