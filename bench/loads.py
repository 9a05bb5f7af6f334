"""Loading every model of the suite: time, memory and size, each beside its goal and ONNX Runtime's.

Each is measured in processes of its own, in turns, the files in the page cache.
"""

import contest
import suite
from tools import table

TIME = 0.5  # of ONNX Runtime's session
PEAK = 2.2  # times the ONNX file, at load
BESIDE = 4096  # kB beside it: the library's pages, tables of nodes
OPENING = 1.0  # ms for an image
SIZE = 1.1  # of an image, times the ONNX file

GOALS = {"time": TIME, "peak": PEAK, "opening_ms": OPENING, "run_kb": BESIDE, "size": SIZE}


def figures(starts, file_bytes, image_bytes):
    ours, image, peer = (starts.get(name) for name in ("libinfer", "libinfer-image", "onnxruntime"))
    file_kb, image_kb = file_bytes / 1024, image_bytes / 1024
    found = {
        "load_ms": ours["load_ms"], "session_ms": peer and peer["load_ms"], "opening_ms": image["load_ms"],
        "time": peer and ours["load_ms"] / peer["load_ms"],
        "load_kb": ours["loaded_kb"] - ours["before_kb"],
        "session_kb": peer and peer["loaded_kb"] - peer["before_kb"],
        # What a run holds beside the image and what the context says.
        "run_kb": image["peak_kb"] - image["before_kb"] - image_kb - image["held_kb"],
        "size": image_bytes / file_bytes, "faults": ours["faults"], "opening_faults": image["faults"],
    }
    found["peak"] = max(0, found["load_kb"] - BESIDE) / file_kb
    found["missed"] = [name for name, goal in GOALS.items() if found[name] is not None and found[name] > goal
                       and not (name == "size" and image_kb - file_kb < 64)]  # tables of a tiny model
    return found


def measure(bench, exe, libraries, entry):
    folder, _ = suite.made(entry)
    model, image = folder / "model.onnx", bench.scratch / "model.infer"
    bench.run([bench.infer, "compile", model, "-o", image])
    racers = {"onnxruntime": (libraries["onnxruntime"], model), "libinfer": (libraries["libinfer"], model),
              "libinfer-image": (libraries["libinfer"], image)}
    starts = contest.starts(bench, exe, racers, folder / "feeds-1", bench.rounds(7, 3))
    if "libinfer" not in starts or "libinfer-image" not in starts:
        raise RuntimeError("libinfer does not run it")
    found = {"file_bytes": model.stat().st_size, **figures(starts, model.stat().st_size, image.stat().st_size)}
    image.unlink()
    return found


def cell(value, digits, missed):
    return "-" if value is None else f"{'!' if missed else ''}{value:.{digits}f}"


def run(bench, arguments):
    prepared = contest.program(bench)
    if prepared is None:
        print("loads: ONNX Runtime's header or OpenVINO's package is missing")
        return None
    report, rows = {}, []
    for entry in suite.chosen(arguments.models):
        try:
            found = report[entry.name] = measure(bench, *prepared, entry)
        except Exception as error:  # it costs this model, not the others
            print(f"{entry.name}: {' '.join(str(error).split())[:300]}", flush=True)
            continue
        missed = lambda name: name in found["missed"]  # noqa: E731, B023
        rows.append([entry.name, f"{found['file_bytes'] / 1e6:.2f}", f"{found['load_ms']:.2f}",
                     cell(found["session_ms"], 2, False), cell(found["time"], 2, missed("time")),
                     f"{found['load_kb'] / 1024:.1f}", cell(found["session_kb"] and found["session_kb"] / 1024, 1, False),
                     cell(found["peak"], 2, missed("peak")), f"{found['faults']:.0f}",
                     cell(found["opening_ms"], 2, missed("opening_ms")), f"{found['opening_faults']:.0f}",
                     cell(found["run_kb"] / 1024, 1, missed("run_kb")), cell(found["size"], 2, missed("size"))])
    table("loads: each in processes of its own, one thread; ! misses its goal",
          ["", "ONNX MB", "load ms", "session ms", "ratio", "peak MiB", "session's", "peak/file", "faults", "open ms",
           "faults", "run MiB", "image/file"],
          [[str(value) for value in row] for row in rows],
          f"ratio: to ONNX Runtime's session, at most {TIME}",
          f"peak: resident at most until the model was loaded, without what was there before; peak/file: beyond "
          f"{BESIDE // 1024} MiB, in ONNX files, at most {PEAK}",
          f"open: the prepared image, at most {OPENING:.0f} ms; faults: pages that came into memory",
          f"run: the image's peak after a run beyond its bytes and infer_context_memory, at most {BESIDE // 1024} MiB",
          f"image/file: at most {SIZE}")
    return report
