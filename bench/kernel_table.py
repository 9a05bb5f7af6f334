"""The kernels beside OpenBLAS and beside what the machine does at best."""

import json

from tools import table

TIERS = ("amx", "fast-bf16", "avx512", "avx2", "neon", "scalar")  # the best first
LIMIT_BYTES = 64 << 10  # below, a call's own time hides the limit
ELEMENT = {"f32": 4, "f64": 8}
MAP_LENGTHS = (16, 4096)


def best_rows(rows):
    """{(kernel, m, n, k): {variant: row}}, with the best of our tiers as "ours"."""
    cases = {}
    for row in rows:
        cases.setdefault((row["kernel"], row["m"], row["n"], row["k"]), {})[row["variant"]] = row
    for variants in cases.values():
        variants["ours"] = next((variants[tier] for tier in TIERS if tier in variants), None)
    # Products in bfloat16 are there on some processors alone.
    return {case: variants for case, variants in cases.items() if variants["ours"]}


def operand_bytes(kernel, m, n, k):
    """What dot and matvec read."""
    return (2 if kernel.startswith("dot") else n) * k * ELEMENT[kernel[-3:]]


def has_limit(kernel, m, n, k):
    if kernel.startswith("gemm"):
        return m * n * k >= 64 ** 3
    return kernel.startswith(("dot", "matvec")) and operand_bytes(kernel, m, n, k) >= LIMIT_BYTES


def products(cases, core):
    rows = []
    for case, variants in cases.items():
        if not case[0].startswith(("dot", "matvec", "gemm")):
            continue
        ours, other = variants["ours"], variants.get("openblas")
        limit = has_limit(*case) and "limit" in variants
        rows.append([case[0], "x".join(map(str, case[1:])), ours["variant"], f"{ours['ns']:.1f}",
                     f"{ours['rate']:.1f} {ours['unit']}", f"{other['ns']:.1f}" if other else "-",
                     f"{ours['times_openblas']:.2f}" if other else "-",
                     f"{variants['limit']['rate']:.1f}" if limit else "-",
                     f"{100 * ours['of_limit']:.0f} %" if limit else "-"])
    table("kernels: one thread, beside OpenBLAS",
          ["", "m x n x k", "tier", "ns", "rate", "OpenBLAS ns", "ratio", "limit", "of limit"], rows,
          f"OpenBLAS runs its kernels for {core or '(not there)'}; ratio: how many times faster than it,"
          " the median of rounds",
          "limit: reading the same bytes (dot, matvec), multiplying in registers (gemm)",
          "the other tiers are in the JSON file")


def elementwise(cases):
    rows = []
    for (kernel, _, _, length), variants in cases.items():
        if length not in MAP_LENGTHS or kernel.startswith(("dot", "matvec", "gemm")):
            continue
        ours, scalar = variants["ours"], variants.get("scalar")
        rows.append([kernel, length, ours["variant"], f"{ours['ns']:.1f}", f"{ours['ns'] / length:.2f}",
                     f"{scalar['ns'] / ours['ns']:.1f}" if scalar else "-"])
    table("kernels: elementwise, beside the scalar reference",
          ["", "elements", "tier", "ns", "ns an element", "ratio"], rows)


def run(bench):
    figures = bench.scratch / "kernels.json"
    options = ["--quick"] if bench.quick else []
    bench.run([bench.build / "bench" / "bench_kernels", "--json", figures, *options])
    report = json.loads(figures.read_text())
    cases = best_rows(report["rows"])
    products(cases, report["openblas_core"])
    elementwise(cases)
    return report
