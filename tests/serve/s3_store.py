"""Stores of objects for the tests: moto, which checks signatures, and one that misbehaves as it is told."""

import base64
import datetime
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOTO = Path(os.environ.get("INFER_MOTO", ROOT / ".cache" / "moto" / "bin"))
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Moto:
    """moto's server, and boto3 as its client. The first four calls are not checked: they make who may call then."""

    def __init__(self):
        if not (MOTO / "moto_server").exists():
            pytest.skip("moto is not installed (INFER_MOTO names its folder of programs)")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "4", "AWS_ACCESS_KEY_ID": "none",
               "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
        self.server = subprocess.Popen([MOTO / "moto_server", "-H", "127.0.0.1", "-p", str(port)], env=env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert self.server.poll() is None
                time.sleep(0.05)
        self.worker = subprocess.Popen([MOTO / "python", Path(__file__).with_name("moto_worker.py"), self.url], env=env,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.call("iam", "create_user", UserName="function")
        key = self.call("iam", "create_access_key", UserName="function")["AccessKey"]
        self.call("iam", "put_user_policy", UserName="function", PolicyName="all", PolicyDocument=json.dumps(ALLOW_ALL))
        self.call("iam", "list_users")
        self.credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        self.call("credentials", "", **self.credentials)

    def call(self, service, method, **arguments):
        for name, value in arguments.items():
            if isinstance(value, bytes):
                arguments[name] = {"bytes64": base64.b64encode(value).decode()}
        self.worker.stdin.write(json.dumps([service, method, arguments]) + "\n")
        self.worker.stdin.flush()
        answer = json.loads(self.worker.stdout.readline())
        assert "error" not in answer or method.startswith(("get_", "head_")), answer
        return answer

    def bucket(self, name, versioned=False):
        self.call("s3", "create_bucket", Bucket=name)
        if versioned:
            self.call("s3", "put_bucket_versioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def put(self, bucket, key, body, **more):
        """Puts an object; returns its version, or None."""
        return self.call("s3", "put_object", Bucket=bucket, Key=key, Body=body, **more).get("VersionId")

    def get(self, bucket, key):
        """Type and bytes of an object, None where there is none."""
        answer = self.call("s3", "get_object", Bucket=bucket, Key=key)
        return None if "error" in answer else (answer["ContentType"], base64.b64decode(answer["Body"]["bytes64"]))

    def environment(self, **more):
        return {**self.credentials, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.url, **more}

    def close(self):
        self.worker.stdin.close()
        self.worker.wait(10)
        self.server.terminate()
        self.server.wait(10)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def answer(self):
        store = self.server.store
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        store.requests.append((self.command, self.path, dict(self.headers), body, self.client_address))
        item = store.answers.pop(0) if store.answers else store.usual
        if callable(item):
            return item(self)
        self.wfile.write(item)
        if b"connection: close" in item.lower():
            self.close_connection = True

    do_GET = do_PUT = answer


class Store:
    """A server that sends the bytes that it was given: in `answers` one after the other, then `usual`."""

    def __init__(self, certificate=None, usual=None):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *arguments: None
        self.server.store = self
        self.requests, self.answers = [], []
        self.usual = usual if usual is not None else reply(b'{"features":[1,2,3]}')
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def connections(self):
        return len({request[4] for request in self.requests})

    def environment(self, **more):
        return {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL_S3": self.url, **more}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def reply(body=b"", status="200 OK", *headers, length=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---- certificates ----

class Authority:
    """An authority of the tests, made by openssl, and the hosts' certificates that it signs."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate = folder / f"{name}.pem"
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                 "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def run(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def host(self, name, expired=False):
        """A file with a certificate for this name, and its key."""
        stem = f"{self.name}-{name.replace('*', 'any')}-{expired}"
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{stem}.key", "-out",
                 f"{stem}.csr", "-addext", f"subjectAltName=DNS:{name}")
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("01")
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
            "policy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n")
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = (now - datetime.timedelta(days=days) for days in ((20, 10) if expired else (1, -10)))
        self.run("ca", "-batch", "-config", "ca.cnf", "-cert", self.certificate, "-keyfile", f"{self.name}.key", "-in",
                 f"{stem}.csr", "-out", f"{stem}.pem", "-startdate", f"{start:%Y%m%d%H%M%SZ}", "-enddate",
                 f"{end:%Y%m%d%H%M%SZ}", "-notext")
        file = self.folder / f"{stem}-both.pem"
        file.write_text((self.folder / f"{stem}.pem").read_text() + (self.folder / f"{stem}.key").read_text())
        return file
