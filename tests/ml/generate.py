"""Writes the cases of the operators of ai.onnx.ml: python -m tests.ml.generate DIRECTORY"""

import sys
from importlib import import_module

from tests.ml.coverage import missing
from tests.ml.writer import Writer

MODULES = ["linear", "svm", "scaling", "features", "labels", "maps", "trees", "trees_native", "ensemble"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    writer = Writer(sys.argv[1])
    for module in MODULES:
        for family in import_module(f"tests.ml.{module}").FAMILIES:
            family(writer)
    print(f"{len(writer.names)} cases in {sys.argv[1]}")
    left = missing(sys.argv[1])
    for op, version, what in left:
        print(f"no case of {op} {version} has {what}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
