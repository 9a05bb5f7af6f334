"""Opening a prepared image of 1 MB and one of 1 GB."""

from tools import table

FEATURES, OUTPUTS, FACTOR = 10007, 26, 1024


def run(bench):
    scratch = bench.scratch
    paths = {"1 MB": scratch / "1mb.infer", "1 GB": scratch / "1gb.infer"}
    linear = bench.compile("linear", *bench.shared_flags())
    exe = bench.compile("open", *bench.shared_flags())
    bench.run([linear, FEATURES, OUTPUTS, paths["1 MB"]])
    bench.run([bench.build / "bench" / "bench_sparse", paths["1 MB"], FACTOR, paths["1 GB"]])
    for path in paths.values():
        bench.run([bench.infer, "verify", path])
    lines = bench.run([exe, bench.rounds(2001, 501), *paths.values()]).splitlines()
    report, rows = {}, []
    for (name, path), line in zip(paths.items(), lines):
        opening, limit, over, closing, unmap = map(float, line.split())
        report[name] = {"bytes": path.stat().st_size, "disk_bytes": path.stat().st_blocks * 512,
                        "open_ns": opening, "limit_ns": limit, "over_limit_ns": over,
                        "free_ns": closing, "munmap_ns": unmap}
        rows.append([name, path.stat().st_size, path.stat().st_blocks * 512, f"{opening:.0f}", f"{limit:.0f}",
                     f"{over:.0f}", f"{opening / limit:.2f}", f"{closing:.0f}", f"{unmap:.0f}"])
        path.unlink()
    table("opening: infer_open of a prepared linear model; weights of the large one are a hole",
          ["", "bytes", "on disk", "open ns", "limit ns", "over limit", "ratio", "free ns", "munmap ns"], rows,
          "limit: open, fstat, mmap, close and the first page fault, without the library",
          "over limit: the library's part; the kernel itself takes longer to map and unmap 1 GB")
    return report
