"""Writes a file as an array in C: embed.py FILE NAME OUTPUT."""

import sys
from pathlib import Path

source, name, target = sys.argv[1:]
data = Path(source).read_bytes()
lines = [", ".join(map(str, data[i:i + 20])) for i in range(0, len(data), 20)]
Path(target).write_text(f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n")
