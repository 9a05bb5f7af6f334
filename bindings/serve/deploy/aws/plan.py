#!/usr/bin/env python3
"""Memory and timeout of the function, from the model's own plan and its time on this machine.

usage: plan.py MODEL [ROWS]

ROWS (default 1000) is the largest batch. Prints `Memory=MB Timeout=SECONDS`, as
`sam deploy --parameter-overrides` takes them. INFER names the infer program where it is not in the PATH.
"""

import json
import math
import os
import subprocess
import sys

MEGA = 1024 * 1024
REQUESTS = 64 * MEGA    # the process, and the longest event with its JSON
LEAST, MOST = 128, 10240
FULL_CPU = 1769         # MB that come with one whole CPU; less memory is less time
SLOWER = 4              # how much slower than this machine a function may be
START = 2               # seconds for the first invocation, and to spare


def ask(command, *arguments):
    program = os.environ.get("INFER", "infer")
    result = subprocess.run([program, command, "--json", *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)


def plan(image, context, row_ns, rows):
    """Megabytes and seconds. The handler lets a prediction hold 3/4 of the memory."""
    memory = max(LEAST, math.ceil((image + context * 4 / 3 + REQUESTS) / MEGA))
    share = min(1, memory / FULL_CPU)
    seconds = START + rows * row_ns / 1e9 * SLOWER / share
    return memory, min(900, max(3, math.ceil(seconds)))


def main(arguments):
    if len(arguments) not in (1, 2) or (len(arguments) == 2 and not arguments[1].isdecimal()):
        sys.exit(__doc__.strip())
    model, rows = arguments[0], int(arguments[1]) if len(arguments) == 2 else 1000
    memory = ask("inspect", model)["memory"]
    memory, seconds = plan(memory["image"], memory["context"],
                           ask("bench", "--count", "100", model)["median_ns"], rows)
    if memory > MOST:
        sys.exit(f"the model needs {memory} MB, a function has {MOST} at most")
    print(f"Memory={memory} Timeout={seconds}")


if __name__ == "__main__":
    main(sys.argv[1:])
