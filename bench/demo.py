"""The demo: one scikit-learn pipeline, answered by scikit-learn and by libinfer wherever it runs."""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "bindings" / "python")]

import models  # noqa: E402

PACKAGE = ROOT / "bindings" / "python" / "libinfer"
TOLERANCE = 1e-5
HANDLERS = ROOT / "bench" / "handlers"
INVOKE = "/2015-03-31/functions/function/invocations"

C_PROGRAM = r"""
#include <infer.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    infer_model *model;
    float features[64], outputs[64];
    if (argc < 2 || argc > 66 || infer_load(argv[1], &model) != INFER_OK)
        return fprintf(stderr, "%s\n", infer_last_error()), 1;
    for (int i = 2; i < argc; i++)
        features[i - 2] = strtof(argv[i], NULL);
    size_t m = infer_model_output_count(model);
    if (m > 64 || infer_predict(model, features, (size_t)argc - 2, outputs, m) != INFER_OK)
        return fprintf(stderr, "%s\n", infer_last_error()), 1;
    printf("%.7f\n", outputs[m - 1]);
    infer_free(model);
    return 0;
}
"""


class Table:
    """The answers, each checked against scikit-learn's as it is printed."""

    def __init__(self, expected):
        self.expected = expected
        self.wrong = []
        print(f"{'':34}{'probability':>13}{'difference':>12}{'ms':>10}{'kB':>10}")

    def show(self, where, probability, ms, size):
        difference = probability - self.expected
        print(f"{where:34}{probability:13.7f}{difference:12.1e}{ms:10.2f}{size / 1024:10.0f}", flush=True)
        if not abs(difference) <= TOLERANCE:
            self.wrong.append(where)


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, 1000 * (time.perf_counter() - start)


def process(command):
    """What a process prints, and the milliseconds from its start to its end."""
    command = [str(word) for word in command]
    return timed(lambda: subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def size(*paths):
    return sum(Path(path).resolve().stat().st_size for path in paths)


def from_c(table, build, scratch, image, words):
    source, exe = scratch / "predict.c", scratch / "predict"
    source.write_text(C_PROGRAM)
    library = build / "libinfer.so"
    process(["gcc", "-O2", source, f"-I{ROOT / 'include'}", library, f"-Wl,-rpath,{build}", "-o", exe])
    text, ms = process([exe, image, *words])
    table.show("C program, whole process", float(text), ms, size(exe, library))


def from_python(table, build, onnx, row):
    import libinfer

    def answer():
        with libinfer.load(onnx) as model:
            return float(model.predict_proba([row])[0][1])

    probability, ms = timed(answer)
    table.show("Python, load ONNX and predict", probability, ms, size(build / "libinfer.so", *PACKAGE.glob("*.py")))


def from_shell(table, infer, image, words):
    text, ms = process([infer, "predict", "--format", "json", image, *words])
    table.show("shell: infer predict", json.loads(text)["scores"]["1"], ms, size(infer))


class Emulator:
    """AWS's own emulator of Lambda, from the wheel of aws-sam-cli, around a handler."""

    def __init__(self, handler, image, log):
        name = "aws-lambda-rie-" + {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
        found = list((ROOT / ".venv").glob(f"lib/python3*/site-packages/samcli/local/rapid/{name}"))
        if not found or not handler.exists():
            sys.exit(f"demo: {handler if found else name} is missing")
        found[0].chmod(0o755)
        ports = self.free_ports(2)
        self.address = ("127.0.0.1", ports[0])
        self.process = subprocess.Popen(
            [str(found[0]), "--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}",
             "--runtime-api-address", f"127.0.0.1:{ports[1]}", "--log-level", "error", str(handler)],
            env={**os.environ, "MODEL_PATH": str(image)}, stdout=log, stderr=log)

    @staticmethod
    def free_ports(count):
        """Ports that nobody had a moment ago; held together, so that they differ."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        return ports

    def __enter__(self):
        for _ in range(200):
            try:
                socket.create_connection(self.address, timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the emulator does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def invoke(self, event):
        request = urllib.request.Request(f"http://{self.address[0]}:{self.address[1]}{INVOKE}",
                                         json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())


def from_lambda(table, build, scratch, image, row):
    handler = build / "bindings" / "serve" / "infer-serve"
    log = scratch / "emulator.log"

    def probability(answer):
        if answer.get("statusCode") != 200:
            raise ValueError(f"an answer without status 200: {answer}")
        return json.loads(answer["body"])["probabilities"]["1"]

    with log.open("wb") as file, Emulator(handler, image, file) as emulator:
        try:
            for where in ("AWS Lambda emulator, first event", "AWS Lambda emulator, next event"):
                answer, ms = timed(lambda: emulator.invoke({"features": row}))
                table.show(where, probability(answer), ms, size(handler))
        except (OSError, ValueError, KeyError) as error:
            print(f"AWS Lambda emulator: {error}\n{log.read_text(errors='replace')[-2000:]}")
            table.wrong.append("AWS Lambda emulator")


def from_handlers(table, build, scratch, pipeline, row):
    """The tutorials' handler and the same one with libinfer, each a whole Python process."""
    import joblib

    joblib.dump(pipeline, scratch / "model.joblib")
    (scratch / "event.json").write_text(json.dumps({"features": row}))
    site = Path(joblib.__file__).parent.parent
    packages = ("sklearn", "scikit_learn.libs", "scipy", "scipy.libs", "numpy", "numpy.libs", "joblib")
    ships = {
        "sklearn_handler.py": ("Python + scikit-learn, process", [
            path for name in packages for path in (site / name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts]),
        "libinfer_handler.py": ("Python + libinfer, process", [build / "libinfer.so", *PACKAGE.glob("*.py")]),
    }
    for name, (where, files) in ships.items():
        (scratch / name).write_text((HANDLERS / name).read_text())
        process([sys.executable, scratch / name])  # leaves Python's compiled files behind
        text, ms = process([sys.executable, scratch / name])
        table.show(where, float(text), ms, size(*files))


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", help="a build directory (build)")
    build = Path(parser.parse_args().build).resolve()
    os.environ["INFER_LIBRARY"] = str(build / "libinfer.so")
    os.environ["PYTHONPATH"] = str(PACKAGE.parent)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    infer = build / "bindings" / "cli" / "infer"
    pipeline, data = models.breast_cancer()
    row = [float(value) for value in data.data[20]]
    words = [repr(value) for value in row]
    with tempfile.TemporaryDirectory(prefix="infer-demo-") as directory:
        scratch = Path(directory)
        onnx, image = scratch / "model.onnx", scratch / "model.infer"
        models.export(pipeline, 30, onnx)
        process([infer, "compile", onnx, "-o", image])
        print("StandardScaler + LogisticRegression, 30 features, trained on scikit-learn's breast cancer data;")
        print(f"as ONNX {size(onnx)} bytes, prepared {size(image)} bytes. Row 20, probability of class"
              f" {str(data.target_names[1])!r}:\n")
        table = Table(float(pipeline.predict_proba([row])[0, 1]))
        from_handlers(table, build, scratch, pipeline, row)
        from_python(table, build, onnx, row)
        from_shell(table, infer, image, words)
        from_c(table, build, scratch, image, words)
        from_lambda(table, build, scratch, image, row)
    print(f"\nkB: what is shipped beside the interpreter. difference: from scikit-learn in this process,"
          f"\n{table.expected:.7f}; more than {TOLERANCE:g} would be an error.")
    if table.wrong:
        sys.exit(f"demo: wrong or no answer: {', '.join(table.wrong)}")


if __name__ == "__main__":
    main()
