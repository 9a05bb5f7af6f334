"""What the library weighs, and how long it takes to load ONNX."""

import peer
from tools import table


def stripped_kb(bench, path):
    target = bench.scratch / "stripped"
    bench.run(["strip", "-o", target, path.resolve()])
    return target.stat().st_size / 1024


def run(bench):
    empty = bench.compile("empty", "-static").stat().st_size
    (bench.scratch / "row.h").write_text("static const float row[] = {0};\n")
    size = lambda exe: (exe.stat().st_size - empty) / 1024  # noqa: E731
    report = {
        "libinfer.so, stripped": stripped_kb(bench, bench.shared),
        "infer, the command, stripped": stripped_kb(bench, bench.infer),
        "static program over empty, linear models": size(
            bench.compile("once", *bench.static_flags(), program="size_linear")),
        "static program over empty, every format and operator": size(
            bench.compile("once", "-DLOAD=infer_load", *bench.static_flags(), "-ljansson", program="size_all")),
        "libonnxruntime.so": peer.library().stat().st_size / 1024,
    }
    table("sizes", ["", "kB"], [[name, f"{kb:.0f}"] for name, kb in report.items()],
          "static programs link the C library too: over empty is what libinfer adds")
    return report


def loading(bench):
    flags = peer.flags()
    if flags is None:
        return None
    import models

    exe = bench.compile("load", *bench.shared_flags(), *flags)
    onnx, image = bench.scratch / "load.onnx", bench.scratch / "load.infer"
    models.logistic(onnx)
    bench.run([bench.infer, "compile", onnx, "-o", image])
    text = bench.run([exe, onnx, image, peer.library(), bench.rounds(301, 51)])
    load, opening, session = (float(word) / 1000 for word in text.split())
    table("loading: logistic.onnx, loaded and released", ["", "us", "ratio"],
          [["infer_open, prepared", f"{opening:.0f}", f"{session / opening:.1f}"],
           ["infer_load, ONNX", f"{load:.0f}", f"{session / load:.1f}"],
           ["ONNX Runtime CreateSession", f"{session:.0f}", "1.0"]],
          "ONNX Runtime's library and environment are there already; start has them")
    return {"infer_load_us": load, "infer_open_us": opening, "create_session_us": session,
            "ratio": session / load}
