"""Load on every platform that listens: load.py [SECONDS]. 64 connections of wrk; prints a line for each platform.

What is asked of each: every request is answered with 2xx, memory stays as it is, and requests that run while
SIGTERM comes are answered."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from http_server import Server, drain, free_port

CONNECTIONS = 64
BODY = '{"features":[1,2,3]}'
MODEL = ('{"format":"libinfer-linear","version":1,"coefficients":[[0.5,-1.25,2]],"intercepts":[0.75],'
         '"link":"logistic","classes":["benign","malignant"]}')
INVOCATION = '{"Data":{"message":' + BODY + '},"Metadata":{}}'
EVENT = '{"specversion":"1.0","id":"1","source":"s","type":"t","data":' + BODY + '}'

# name: path, content type, body, environment with the port as {}
PLATFORMS = {
    "http": ("/predict", "application/json", BODY, None),
    "azure": ("/queue", "application/json", INVOCATION, {"FUNCTIONS_CUSTOMHANDLER_PORT": "{}"}),
    "google": ("/", "application/json", BODY, {"K_SERVICE": "s", "PORT": "{}"}),
    "google events": ("/", "application/cloudevents+json", EVENT, {"K_SERVICE": "s", "PORT": "{}"}),
    "openfaas": ("/", "application/json", BODY, {"fprocess": "x", "mode": "http", "healthcheck_interval": "200ms",
                                                 "upstream_url": "http://127.0.0.1:{}"}),
}


def start(name, model):
    environment = PLATFORMS[name][3]
    port = free_port()
    if environment is None:
        return Server("--model", model, "--log-level", "error", port=port)
    return Server("--model", model, "--log-level", "error", platform=None, name_port=False, port=port,
                  env={key: value.format(port) for key, value in environment.items()})


def wrk(server, name, seconds, folder):
    path, kind, body, _ = PLATFORMS[name]
    script = Path(folder) / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.headers['content-type'] = '{kind}'\nwrk.body = [[{body}]]\n")
    return subprocess.Popen(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script,
                             f"http://127.0.0.1:{server.port}{path}"], stdout=subprocess.PIPE, text=True)


def read(text):
    """Requests, those that failed, requests a second, and the 99th percentile as wrk prints it."""
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    failed += sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    return {"requests": int(re.search(r"(\d+) requests in", text)[1]), "failed": failed,
            "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p99": re.search(r"99%\s+(\S+)", text)[1]}


def drive(name, seconds, folder):
    """A warm-up, the load itself between two looks at the memory, and the end."""
    model = Path(folder) / "model.json"
    model.write_text(MODEL)
    server = start(name, model)
    try:
        wrk(server, name, 1, folder).communicate()
        before = server.resident_kb()
        result = read(wrk(server, name, seconds, folder).communicate()[0])
        result.update(before_kb=before, after_kb=server.resident_kb())
        path, kind, body, _ = PLATFORMS[name]
        result["drained"], lost = drain(server, path, kind, body)
        result.update(lost=len(lost), exit=server.process.wait(30))
        return result
    finally:
        server.close()


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"{'':14} {'requests':>9} {'failed':>6} {'a second':>9} {'p99':>8} {'kB before':>9} {'after':>6}"
          f" {'at the end':>10} {'lost':>4}")
    with tempfile.TemporaryDirectory() as folder:
        for name in PLATFORMS:
            r = drive(name, seconds, folder)
            print(f"{name:14} {r['requests']:9} {r['failed']:6} {r['rate']:9.0f} {r['p99']:>8} {r['before_kb']:9}"
                  f" {r['after_kb']:6} {r['drained']:10} {r['lost']:4}", flush=True)


if __name__ == "__main__":
    main()
