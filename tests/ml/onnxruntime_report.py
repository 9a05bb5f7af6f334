"""Runs onnxruntime over the suite and writes which cases it fails, and why, into docs/ml-conformance.md.

    python -m tests.ml.onnxruntime_report [-v] [-n] DIRECTORY...

Each case runs in a process of its own; -v says what each failure is, -n leaves the page alone. The page keeps what
stands above its marker.
"""

import fnmatch
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from tests.ml.reasons import REASONS
from tests.ml.values import Map, Maps
from tests.ml.writer import same

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ml-conformance.md"
MARKER = "<!-- What follows is written by tests/ml/onnxruntime_report.py. -->\n"
KINDS = {"refuses": "refuses to load or to run", "wrong": "answers something else", "crash": "crashes"}


# ---- reading a case ----


def read_map(proto):
    keys = [k.decode() for k in proto.string_keys] or list(proto.keys)
    values = [numpy_helper.to_array(t) for t in proto.values.tensor_values]
    kind = values[0].dtype if values else np.dtype("float32")
    text = kind.kind in "OSU"
    return Map("O" if proto.key_type == onnx.TensorProto.STRING else "int64", "O" if text else kind,
               {k: str(v) if text else v.item() for k, v in zip(keys, values)})


def read_value(path, value_type):
    data = path.read_bytes()
    kind = value_type.WhichOneof("value")
    if kind == "map_type":
        return read_map(onnx.MapProto.FromString(data))
    if kind == "sequence_type":
        return Maps("O", "float32", map(read_map, onnx.SequenceProto.FromString(data).map_values))
    array = numpy_helper.to_array(onnx.TensorProto.FromString(data))
    return array.astype(str).astype(object) if array.dtype.kind in "OSU" else array


def data_sets(folder, model):
    for data in sorted(folder.glob("test_data_set_*")):
        yield tuple([read_value(data / f"{kind}_{i}.pb", info.type) for i, info in enumerate(infos)]
                    for kind, infos in (("input", model.graph.input), ("output", model.graph.output)))


# ---- running it ----


def difference(got, expected):
    if not isinstance(expected, np.ndarray) or not isinstance(got, np.ndarray):
        return "other maps"
    if got.shape != expected.shape:
        return f"the shape is {list(got.shape)} instead of {list(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"the type is {got.dtype} instead of {expected.dtype}"
    wrong = got != expected
    if expected.dtype.kind == "f":
        wrong = ~np.isclose(got, expected, 1e-3, 1e-7, equal_nan=True)
    at = tuple(np.argwhere(wrong)[0])
    return f"{wrong.sum()} of {wrong.size} values differ, the first is {shown(got[at])} instead of {shown(expected[at])}"


def shown(value):
    return f"{value:.6g}" if isinstance(value, np.floating) else f'"{value}"' if isinstance(value, str) else value


def run(folder):
    """(kind of failure, what happened), or nothing."""
    model = onnx.load(folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return "refuses", str(error)
    names = [i.name for i in model.graph.input]
    for inputs, expected in data_sets(folder, model):
        feed = {n: dict(x) if isinstance(x, Map) else x for n, x in zip(names, inputs)}
        try:
            got = session.run(None, feed)
        except Exception as error:
            return "refuses", str(error)
        wrong = [f"{info.name}: {difference(g, e)}" for info, g, e in zip(model.graph.output, got, expected)
                 if not same(g, e)]
        if wrong:
            return "wrong", "; ".join(wrong)
    return None


def in_a_process(folder):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(theirs, pickle.dumps(run(folder))[:60000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        return "crash", f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {status >> 8}"
    return pickle.loads(answer)


def short(message):
    """An error message without the places in onnxruntime's source that it names."""
    message = re.sub(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", message)
    for mark in (" was false. ", "OpKernelInfo&) ", "Status Message: "):
        _, found, rest = message.rpartition(mark)
        message = rest if found and len(rest.strip()) > 10 else message
    message = re.sub(r"/\S+/\S+\.(?:cc|h):\d+ .*\]+ ?", "", message, flags=re.S)
    return re.sub(r"\s+", " ", message).strip()[:200]


# ---- the page ----


def reason_of(name, kind):
    for pattern, wanted, words in REASONS:
        if fnmatch.fnmatch(name, pattern) and wanted in (kind, "*"):
            return words
    return ""


def write_page(names, failures):
    """names: of all cases; failures: names to what happened."""
    groups = {}
    for name, (kind, message) in failures.items():
        groups.setdefault(reason_of(name, kind), []).append((name, kind, message))
    head = PAGE.read_text().split(MARKER)[0] if PAGE.exists() else ""
    counts = {kind: sum(f[0] == kind for f in failures.values()) for kind in KINDS}
    total, models = len(names), sum(name.startswith("test_pipeline_") for name in names)
    lines = [f"onnxruntime {onnxruntime.__version__} passes {total - len(failures)} of {total} cases, {models} of which "
             "are whole models. It " + ", ".join(f"{KINDS[kind]} in {count}" for kind, count in counts.items()) + ".",
             ""]
    for words, cases in sorted(groups.items(), key=lambda g: (g[0] == "", -len(g[1]))):
        kinds = " or ".join(KINDS[kind] for kind in KINDS if any(case[1] == kind for case in cases))
        lines += [f"**{words or 'Without a word yet'}.** It {kinds}; {len(cases)} case{'s' if len(cases) > 1 else ''}. "
                  f"The first says: {short(cases[0][2])}", "",
                  ", ".join(f"`{name.removeprefix('test_')}`" for name, _, _ in cases), ""]
    PAGE.write_text(head + MARKER + "\n" + "\n".join(lines).rstrip() + "\n")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folders = sorted(path.parent for root in sys.argv[1:] if root[0] != "-"
                     for path in Path(root).glob("*/model.onnx"))
    failures = {}
    for folder in folders:
        failure = in_a_process(folder)
        if failure:
            failures[folder.name] = failure
            if "-v" in sys.argv:
                print(folder.name, failure[0], short(failure[1]), flush=True)
    if "-n" not in sys.argv:
        write_page([folder.name for folder in folders], failures)
    print(f"{len(failures)} of {len(folders)} cases fail")


if __name__ == "__main__":
    main()
