"""Draws the contest of models as an SVG: picture.py bench.json docs/bench-models.svg

A bar for each model, one row at a time in one thread: how many times libinfer's speed is that of its best peer, on a
logarithmic scale. A bar is grey where the rounds of the two overlap.
"""

import json
import math
import sys
from html import escape
from pathlib import Path

WIDTH, LEFT, RIGHT, ROW, TOP = 900, 230, 165, 18, 64
COLOURS = {"faster": "#2a7f62", "slower": "#b4472e", "even": "#8a8f98"}
PEERS = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "lightgbm": "LightGBM", "compiled-lleaves": "lleaves",
         "compiled-tl2cgen": "tl2cgen"}


def bars(models, batch=1, threads=1):
    """(field, name, ratio, low, high, verdict, peer), as the suite has them."""
    for name, result in models.items():
        for race in result.get("races", []):
            if (race["batch"], race["asked_threads"]) == (batch, threads) and "verdict" in race:
                yield (result["field"], name, race["ratio"]["median"], race["ratio"]["low"], race["ratio"]["high"],
                       race["verdict"], race["best_peer"])


def text(x, y, words, anchor="start", size=12, weight="normal", colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{colour}">{escape(words)}</text>')


def picture(report):
    rows = list(bars(report["models"]))
    if not rows:
        raise SystemExit("picture: there is no race of one row in one thread")
    least = math.floor(min(0, *(math.log2(row[3]) for row in rows)))
    most = math.ceil(max(0, *(math.log2(row[4]) for row in rows)))
    scale = (WIDTH - LEFT - RIGHT) / max(most - least, 1)

    def place(ratio):
        return LEFT + (math.log2(ratio) - least) * scale

    parts, y, field = [], TOP, None
    for one, name, ratio, low, high, verdict, peer in rows:
        if one != field:
            field, y = one, y + ROW * 1.3
            parts.append(text(12, y, field, weight="bold"))
            y += 6
        y += ROW
        left, right = sorted((place(1), place(ratio)))
        parts += [text(LEFT - 8, y - 4, name, "end"),
                  f'<rect x="{left:.1f}" y="{y - ROW + 4:.1f}" width="{max(right - left, 1):.1f}" height="{ROW - 6}" '
                  f'fill="{COLOURS[verdict]}"/>',
                  f'<path d="M{place(low):.1f} {y - 8:.1f}H{place(high):.1f}" stroke="#222"/>',
                  text(WIDTH - RIGHT + 12, y - 4, f"{ratio:.2f}  {PEERS.get(peer, peer)}")]
    height = y + 24
    grid = []
    step = max(1, math.ceil((most - least) / 10))
    for power in range(-(-least // step) * step, most + 1, step):
        x = place(2.0 ** power)
        grid += [f'<path d="M{x:.1f} {TOP}V{height - 20:.1f}" stroke="{"#222" if power == 0 else "#ddd"}"/>',
                 text(x, TOP - 6, f"{2 ** power if power >= 0 else f'1/{2 ** -power}'}x", "middle", 11, colour="#666")]
    machine = report.get("machine", {})
    title = [text(12, 22, "Speed of libinfer, the best peer of each model being 1", size=15, weight="bold"),
             text(12, 40, f"one row, one thread; {machine.get('processor', '')}; grey: no difference beyond the noise",
                  size=11, colour="#666")]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}" font-family="system-ui, sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(title + grid + parts) + "\n</svg>\n")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    Path(sys.argv[2]).write_text(picture(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
