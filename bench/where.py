"""Where libinfer's time goes in a model of the suite, by operator: where.py NAME [BATCH]

The library times its nodes itself (infer_context_observe); each node's shortest of a few runs of an input counts.
"""

import os
import struct
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def prepare(library):
    """Where the Python package and its library are."""
    os.environ["INFER_LIBRARY"] = str(library)
    sys.path.insert(0, str(ROOT / "bindings" / "python"))


def read(path, most):
    """What feeding.write wrote."""
    import onnx

    data, at = path.read_bytes(), 0

    def numbers(count):
        nonlocal at
        at += 8 * count
        return struct.unpack_from(f"<{count}Q", data, at - 8 * count)

    found = []
    for _ in range(min(numbers(1)[0], most)):
        feeds = {}
        for _ in range(numbers(1)[0]):
            length = numbers(1)[0]
            name = data[at:at + length].decode()
            at += length
            kind, rank = numbers(2)
            shape = numbers(rank)
            value = np.frombuffer(data, onnx.helper.tensor_dtype_to_np_dtype(kind), int(np.prod(shape, dtype=int)), at)
            at += value.nbytes
            feeds[name] = value.reshape(shape)
        found.append(feeds)
    return found


def times(model_path, all_feeds, rounds=7):
    """[(nanoseconds, operator, node's name)] of one run, the mean over the inputs."""
    import libinfer
    from libinfer import _ffi

    model = libinfer.load(model_path)
    nodes = model.nodes
    spent, total = np.zeros(len(nodes)), np.zeros(len(nodes))

    def hear(_, node, ns):
        spent[node] += ns

    heard = _ffi.OBSERVER(hear)
    with model._context() as context:
        _ffi.lib.infer_context_observe(context.handle, heard, None)
    for feeds in all_feeds:
        best = np.full(len(nodes), np.inf)
        for _ in range(rounds):
            spent[:] = 0
            model.run(feeds, numpy=True)
            best = np.minimum(best, spent)
        total += best
    with model._context() as context:
        _ffi.lib.infer_context_observe(context.handle, _ffi.OBSERVER(), None)
    return [(ns / len(all_feeds), node.op, node.name) for ns, node in zip(total, nodes)]


def operators(found):
    """[(share, operator, nodes)], the dearest first."""
    total = sum(ns for ns, _, _ in found) or 1
    names = {op for _, op, _ in found}
    return sorted(((sum(ns for ns, other, _ in found if other == op) / total, op,
                    sum(other == op for _, other, _ in found)) for op in names), reverse=True)


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    prepare(os.environ.get("INFER_LIBRARY", ROOT / "build" / "libinfer.so"))
    folder = ROOT / ".cache" / "bench" / sys.argv[1]
    found = times(folder / "model.onnx", read(folder / f"feeds-{(sys.argv + ['1'])[2]}", 4))
    print(f"{sum(ns for ns, _, _ in found) / 1e3:.1f} us in {len(found)} nodes")
    for share, op, count in operators(found)[:10]:
        print(f"{100 * share:5.1f}%  {op} x {count}")
    print("the dearest nodes:")
    for ns, op, name in sorted(found, reverse=True)[:8]:
        print(f"{ns / 1e3:9.1f} us  {op} {name}")


if __name__ == "__main__":
    main()
