"""A small of-watchdog, written from its documentation: http mode as a proxy that forwards chunked and sends SIGTERM
early; serializing and streaming modes as a process for each request."""

import http.client
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from http_server import free_port
from mock_runtime import end


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_one(self):
        watchdog = self.server.watchdog
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, reply = watchdog.forward(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = handle_one


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Watchdog:
    """fprocess and the environment are the child's; `mode` as the watchdog's own variable."""

    def __init__(self, fprocess, mode="http", **environment):
        self.fprocess, self.mode = [str(word) for word in fprocess], mode
        self.upstream = free_port()
        self.environment = {
            **os.environ, "fprocess": " ".join(self.fprocess), "mode": mode, "port": "8080", "write_timeout": "10s",
            "upstream_url": f"http://127.0.0.1:{self.upstream}", "healthcheck_interval": "500ms", **environment}
        self.child = None
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.watchdog = self
        self.port = self.server.server_address[1]
        if mode == "http":
            self.child = subprocess.Popen(self.fprocess, env=self.environment, stderr=subprocess.PIPE, text=True)
            self.wait_for_child()
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def wait_for_child(self):
        for _ in range(400):
            try:
                if self.forward("GET", "/_/health", {}, b"")[0] == 200:
                    return
            except OSError:
                if self.child.poll() is not None:
                    raise RuntimeError(self.child.stderr.read())
            time.sleep(0.01)
        raise TimeoutError("the function does not listen")

    def forward(self, method, path, headers, body):
        return (self.proxy if self.mode == "http" else self.fork)(method, path, headers, body)

    def proxy(self, method, path, headers, body):
        """Bodies go on in chunks, whatever they were; the caller's Host stays."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    connection.putheader(name, value)
            if "Host" not in headers:
                connection.putheader("Host", "function")
            if body:
                connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            size = 7 if len(body) < 10000 else 65536
            try:
                for at in range(0, len(body), size):
                    part = body[at:at + size]
                    connection.send(b"%x\r\n%s\r\n" % (len(part), part))
                if body:
                    connection.send(b"0\r\n\r\n")
            except OSError:
                pass  # a function may answer before it has read everything
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def fork(self, method, path, headers, body):
        """Headers become Http_ variables; a process that fails is a 500."""
        variables = {"Http_" + name.replace("-", "_"): value for name, value in headers.items()}
        result = subprocess.run(self.fprocess, input=body, capture_output=True, timeout=20,
                                env={**self.environment, **variables, "Http_Method": method, "Http_Path": path})
        return (200 if result.returncode == 0 else 500), {}, result.stdout

    def drain(self):
        """SIGTERM goes to the child at once; the watchdog itself forwards on for the interval, then waits."""
        self.child.terminate()

    def end(self):
        self.server.shutdown()
        error = self.child.communicate(timeout=20)[1]
        return self.child.returncode, error

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        if self.child:
            end(self.child)
