#!/bin/sh
# Makes the package that is deployed: package.sh INFER_SERVE MODEL [FUNCTION...] > function.zip
#
# INFER_SERVE is the static executable, MODEL a .infer, .onnx or .json file, FUNCTION a folder beside this
# script (predict alone unless some are named).
set -eu
serve=$1 model=$2
shift 2
[ $# -gt 0 ] || set -- predict
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$serve" "$folder/infer-serve"
chmod 755 "$folder/infer-serve"
cp "$model" "$folder/model.${model##*.}"
cp "$here/host.json" "$folder"
for name in "$@"; do
    mkdir "$folder/$name"
    cp "$here/$name/function.json" "$folder/$name"
done
# Python writes zip files with forward slashes and Unix modes; no other tool has to be there.
cd "$folder"
python3 - <<'PYTHON'
import os, sys, zipfile
with zipfile.ZipFile(sys.stdout.buffer, "w", zipfile.ZIP_DEFLATED) as package:
    for folder, _, files in sorted(os.walk(".")):
        for name in sorted(files):
            package.write(os.path.join(folder, name), os.path.relpath(os.path.join(folder, name), "."))
PYTHON
