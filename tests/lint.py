"""The rules of the house that a compiler does not check."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 600
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def problems(path, text):
    lines = text.splitlines()
    if path.suffix in (".c", ".h"):
        if not text.startswith("/*"):
            yield 1, "does not open by saying its one job"
        if len(lines) > MAX_LINES:
            yield len(lines), f"has {len(lines)} lines, more than {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if path.suffix in (".c", ".h") and re.match(r'\s*#include "\.\./', line):
            yield number, "reaches into another room by ../"
        if path.name != "lint.py" and UNFINISHED.search(line):
            yield number, "has a word that marks something unfinished"
        if line != line.rstrip():
            yield number, "ends in white space"


def main():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = 0
    for name in files.stdout.split():
        path = ROOT / name
        if path.suffix not in (".c", ".h", ".py", ".build", ".md"):
            continue
        for line, what in problems(path, path.read_text()):
            print(f"{name}:{line}: {what}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
