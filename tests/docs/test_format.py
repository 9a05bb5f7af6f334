"""docs/format.md, put to work: a reader written from that page alone, without the library."""

import math
import re
import struct

import pytest
from conftest import ROOT

import libinfer

SECTIONS = ("values nodes graphs inputs outputs edges extents symbols metadata features text blob records "
            "data").split()
RECORD_BYTES = dict(graphs=24, edges=4, extents=8, symbols=8, metadata=16, features=8, text=1, blob=1, records=1,
                    data=1)
ABSENT = 0xFFFFFFFF
MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotate(x, by):
    return (x << by | x >> (64 - by)) & MASK


def xxh64(data, seed):
    """XXH64 from its specification."""
    def mix(lane, word):
        return rotate((lane + word * P2) & MASK, 31) * P1 & MASK

    at = 0
    if len(data) >= 32:
        lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while at + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, at)
            lanes = [mix(lane, word) for lane, word in zip(lanes, words)]
            at += 32
        h = sum(rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        h = (seed + P5) & MASK
    h = (h + len(data)) & MASK
    while at + 8 <= len(data):
        h = (rotate(h ^ mix(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        h = (rotate(h ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


class Image:
    """What the page says, field by field."""

    def __init__(self, data):
        self.data = data
        (magic, self.version, endian, self.header_size, *self.sizes, self.graph_size, zero, self.size, self.hash,
         zero2) = struct.unpack_from("<8s3I6HQQQ", data)
        assert magic == b"\x89INFER\r\n" and endian == 0x01020304 and zero == zero2 == 0
        entries = struct.iter_unpack("<QQ", data[56:56 + 16 * self.sizes[3]])
        self.sections = dict(zip(SECTIONS, entries))

    def section(self, name):
        offset, count = self.sections[name]
        each = dict(zip(("values", "nodes", "inputs", "outputs"),
                        (self.sizes[0], self.sizes[1], self.sizes[2], self.sizes[2])), **RECORD_BYTES)[name]
        return [self.data[offset + i * each:offset + (i + 1) * each] for i in range(count)]

    def bytes_of(self, name):
        offset, count = self.sections[name]
        return self.data[offset:offset + count]

    def string(self, offset, size):
        text = self.bytes_of("text")
        assert text[offset + size] == 0
        return text[offset:offset + size].decode()

    def values(self):
        for record in self.section("values"):
            (name, size, kind, type_, constant, _, rank, first, _, offset,
             length) = struct.unpack("<II4BiIIQQ", record)
            dims = [struct.unpack("<q", d)[0] for d in self.section("extents")[first:first + max(rank, 0)]]
            yield dict(name=self.string(name, size), kind=kind, type=type_, constant=constant, dims=dims,
                       data=self.bytes_of("data")[offset:offset + length] if constant else None)

    def nodes(self):
        edges = [struct.unpack("<I", e)[0] for e in self.section("edges")]
        for record in self.section("nodes"):
            fields = struct.unpack("<6I2IQ4I", record)
            size, at, first, inputs, outputs = fields[7], fields[8], *fields[9:12]
            yield dict(domain=self.string(*fields[2:4]), op=self.string(*fields[4:6]),
                       record=self.bytes_of("records")[at:at + size], inputs=edges[first:first + inputs],
                       outputs=edges[first + inputs:first + inputs + outputs])


@pytest.fixture(scope="module")
def image():
    with libinfer.linear([[0.5, -0.25, 0.1]], [0.1], "logistic", ["no", "yes"], ["a", "b", "c"]) as model:
        return Image(model.to_bytes())


def test_header(image):
    assert image.version == 2
    assert image.graph_size == RECORD_BYTES["graphs"]
    assert image.size == len(image.data)
    page = (ROOT / "docs" / "format.md").read_text()
    assert f"## Header ({image.header_size} bytes)" in page
    assert ", ".join(map(str, image.sizes)) in page
    for name, size in (("values", image.sizes[0]), ("nodes", image.sizes[1]),
                       ("inputs, outputs", image.sizes[2])):
        assert f"| {name} | {size} bytes |" in page
    assert re.findall(r"^\| (?!section)([a-z, ]+) \| [^|]+ \| [^|]+ \|$", page, re.M)[-13:] == [
        "values", "nodes", "graphs", "inputs, outputs", *SECTIONS[5:]]


def test_sections_follow_one_another(image):
    end = image.header_size
    for name in SECTIONS:
        offset, count = image.sections[name]
        assert offset == -(-end // 64) * 64
        end = offset + sum(map(len, image.section(name)))
    end = -(-end // 64) * 64
    assert image.data[end:] == bytes(64)


def test_content_hash(image):
    header = image.data[:40] + bytes(8) + image.data[48:image.header_size]
    assert image.hash == xxh64(image.data[image.header_size:], xxh64(header, 0))


def test_prediction(image):
    values, (node,) = list(image.values()), image.nodes()
    assert (node["domain"], node["op"]) == ("infer", "Linear")
    link, binary, wide, zero = struct.unpack("<4I", node["record"])
    assert (link, binary, wide, zero) == (1, 1, 0, 0)
    constants = [None if i == ABSENT else values[i] for i in node["inputs"]]
    weights, bias = (struct.unpack(f"<{len(c['data']) // 8}d", c["data"]) for c in constants[3:5])
    row = (1.0, 2.0, 3.0)
    z = sum(w * x for w, x in zip(weights, row)) + bias[0]
    labels = constants[5]["data"]
    texts = [labels[offset:offset + size].decode() for offset, size in struct.iter_unpack("<QQ", labels[:32])]
    assert texts == ["no", "yes"]
    assert [image.string(*struct.unpack("<II", f)) for f in image.section("features")] == ["a", "b", "c"]
    with libinfer.load(image.data) as model:
        assert model.predict_proba([row])[0][1] == pytest.approx(1 / (1 + math.exp(-z)), rel=1e-6)
