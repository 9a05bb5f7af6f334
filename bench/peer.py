"""ONNX Runtime, the peer: its library from the wheel, its C header from where it is published."""

import hashlib
import io
import urllib.request
import zipfile
from pathlib import Path

from tools import ROOT

# A Go module that carries the header; the newest library answers to any older API version.
MODULE = "github.com/yalue/onnxruntime_go"
VERSION = "v1.27.0"
SHA256 = "5b7c7e6878caa1f1bf5d5acc09bfdd9de4c2f1e1beee1ff5529570139c540cb0"
HEADERS = ("onnxruntime_c_api.h", "onnxruntime_ep_c_api.h")


def header_folder():
    """The folder with onnxruntime_c_api.h, fetched at the first use and checked; None offline."""
    folder = ROOT / ".cache" / "go" / f"onnxruntime-{VERSION}"
    if all((folder / name).exists() for name in HEADERS):
        return folder
    url = f"https://proxy.golang.org/{MODULE}/@v/{VERSION}.zip"
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            data = answer.read()
    except OSError as error:
        print(f"ONNX Runtime's C API is left out: {url}: {error}")
        return None
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise RuntimeError(f"{url} is not the file that was expected")
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(data)) as module:
        for name in HEADERS:
            (folder / name).write_bytes(module.read(f"{MODULE}@{VERSION}/{name}"))
    return folder


def library():
    import onnxruntime

    return next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))


def flags():
    """Compiler flags of a program that uses peer.h; None where the header cannot be had."""
    folder = header_folder()
    return None if folder is None else [f"-I{folder}", "-ldl", "-lm"]
