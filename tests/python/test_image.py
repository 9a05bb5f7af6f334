"""ImageDecoder against Pillow: every format, odd pictures, damage."""

import io
import struct
import zlib

import numpy as np
import pytest
from onnx import TensorProto
from PIL import Image
from test_text import model_of

import libinfer

FORMATS = {"RGB": lambda i: np.array(i.convert("RGB")), "BGR": lambda i: np.array(i.convert("RGB"))[:, :, ::-1],
           "Grayscale": lambda i: np.array(i.convert("L"))[:, :, None]}


@pytest.fixture(scope="module")
def decoders():
    models = {f: libinfer.load(model_of("ImageDecoder", [TensorProto.UINT8], pixel_format=f).SerializeToString())
              for f in FORMATS}
    yield {f: lambda data, m=m: m.run({"x0": np.frombuffer(data, np.uint8)})["y0"] for f, m in models.items()}
    for model in models.values():
        model.close()


def picture(mode, width, height, smooth=False, seed=1):
    random = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    if smooth:
        x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
        data = np.stack([(x * (b + 1) + y) / (b + 2) for b in range(bands)], axis=2).astype(np.uint8)
    else:
        data = random.integers(0, 256, (height, width, bands), dtype=np.uint8)
    if mode == "1":
        return Image.fromarray(data[:, :, 0] > 127)
    if mode == "P":
        i = Image.fromarray(data[:, :, 0])
        i.putpalette(random.integers(0, 256, 768, dtype=np.uint8).tobytes())
        return i
    return Image.frombytes(mode, (width, height), data.tobytes())


def saved(image, form, **options):
    f = io.BytesIO()
    image.save(f, form, **options)
    return f.getvalue()


def check(decoders, data, tolerance=0):
    for name, expected in FORMATS.items():
        want = expected(Image.open(io.BytesIO(data)))
        got = decoders[name](data)
        assert got.shape == want.shape, name
        assert np.abs(got.astype(int) - want).max() <= tolerance, name


SIZES = [(1, 1), (7, 5), (16, 16), (33, 17)]
PLAIN = [("PNG", m, {}) for m in ("1", "L", "LA", "P", "RGB", "RGBA")] + \
        [("PNG", "P", {"bits": b}) for b in (1, 2, 4)] + [("PNG", "P", {"transparency": 3}), ("PNG", "RGB", {"transparency": (1, 2, 3)})] + \
        [("BMP", m, {}) for m in ("1", "L", "P", "RGB", "RGBA")] + \
        [("PPM", m, {}) for m in ("1", "L", "RGB")] + \
        [("TIFF", m, {"compression": c}) for m in ("1", "L", "LA", "P", "RGB", "RGBA")
         for c in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")] + \
        [("TIFF", "1", {"compression": "group4"}), ("TIFF", "RGB", {"tiffinfo": {274: 3}}), ("TIFF", "L", {"tiffinfo": {274: 4}})] + \
        [("WEBP", m, {"lossless": True, "exact": True}) for m in ("L", "RGB", "RGBA")] + \
        [("WEBP", "RGB", {"quality": 60})] + \
        [("JPEG2000", m, {}) for m in ("L", "LA", "RGB", "RGBA")] + \
        [("JPEG2000", "RGB", {"no_jp2": True}), ("JPEG2000", "RGB", {"num_resolutions": 2, "tile_size": (16, 16)})] + \
        [("JPEG", m, {"quality": q, "subsampling": s, "progressive": p}) for m in ("L", "RGB") for q in (30, 95)
         for s in (0, 1, 2) for p in (False, True)] + [("JPEG", "CMYK", {}), ("JPEG", "RGB", {"keep_rgb": True, "subsampling": 0}),
                                                        ("JPEG", "RGB", {"restart_marker_blocks": 1})]


@pytest.mark.parametrize("form, mode, options", PLAIN, ids=lambda v: str(v).replace("'", ""))
def test_like_pillow(decoders, form, mode, options):
    for width, height in SIZES:
        for smooth in (False, True):
            try:
                data = saved(picture(mode, width, height, smooth), form, **options)
            except (OSError, ValueError):
                continue  # what Pillow itself cannot write
            check(decoders, data, tolerance=1 if form == "JPEG2000" else 0)


# ---- files that Pillow reads but does not write ----


def png(width, height, depth, kind, rows, interlaced=0, chunks=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)) + \
        chunks + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def adam7(pixels):
    """The seven passes of rows of one byte a pixel."""
    rows = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = pixels[y0::dy, x0::dx]
        rows += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    return rows


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (9, 12)])
def test_interlaced_png(decoders, size):
    pixels = np.random.default_rng(2).integers(0, 256, size[::-1], dtype=np.uint8)
    check(decoders, png(*size, 8, 0, adam7(pixels), interlaced=1))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gray_png_of_few_bits(decoders, depth):
    rows = b"".join(b"\0" + bytes([37 * y % 256] * -(-9 * depth // 8)) for y in range(4))
    check(decoders, png(9, 4, depth, 0, rows))


def test_png_of_16_bits(decoders):
    """The high bytes count. Pillow does so for colours, and cuts gray off at 255."""
    samples = np.random.default_rng(3).integers(0, 65536, (4, 5, 3))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    check(decoders, png(5, 4, 16, 2, rows))
    gray = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples[:, :, 0])
    assert (decoders["Grayscale"](png(5, 4, 16, 0, gray))[:, :, 0] == samples[:, :, 0] >> 8).all()


def bmp(width, height, bits, pixels, compression=0, extra=b"", header=40, colours=0):
    offset = 14 + header + len(extra)
    fields = struct.pack("<IHHHH", 12, width, height, 1, bits) if header == 12 else \
        struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, offset) + fields + extra + pixels


def test_odd_bmp(decoders):
    random = np.random.default_rng(4)
    palette = random.integers(0, 256, (256, 4), dtype=np.uint8)
    data = random.bytes(4000)
    for bits, colours in [(1, 2), (4, 16), (8, 256), (4, 5)]:
        check(decoders, bmp(7, 3, bits, bytes(v % colours for v in data) if bits == 8 or colours == 5 else data, extra=palette[:colours].tobytes(),
                            colours=colours if colours == 5 else 0))
        if colours != 5:
            check(decoders, bmp(7, 3, bits, data, extra=palette[:colours, :3].tobytes(), header=12))
    for height in (5, -5):
        check(decoders, bmp(6, height, 24, data))
        check(decoders, bmp(6, height, 16, data))
    check(decoders, bmp(6, 5, 16, data, 3, struct.pack("<III", 0xf800, 0x7e0, 0x1f)))
    check(decoders, bmp(6, 5, 32, data, 3, struct.pack("<III", 0xff0000, 0xff00, 0xff)))
    check(decoders, bmp(6, 5, 32, data))


def test_bmp_of_runs(decoders):
    palette = np.random.default_rng(5).integers(0, 256, (256, 4), dtype=np.uint8)
    eight = bytes([3, 7, 0, 3, 1, 2, 3, 0, 2, 9, 0, 0, 8, 200, 0, 0, 4, 5, 4, 6, 0, 1])
    check(decoders, bmp(8, 3, 8, eight, 1, palette.tobytes()))
    four = bytes([5, 0x12, 0, 3, 0x34, 0x50, 0, 0, 8, 0xab, 0, 1])
    check(decoders, bmp(8, 2, 4, four, 2, palette[:16].tobytes()))
    moved = bytes([2, 1, 0, 2, 1, 1, 2, 5, 0, 1])  # the rest stays colour 0
    got = decoders["RGB"](bmp(6, 3, 8, moved, 1, palette.tobytes()))
    indices = np.zeros((3, 6), int)
    indices[0, :2], indices[1, 3:5] = 1, 5
    assert (got == palette[indices[::-1]][:, :, 2::-1]).all()


@pytest.mark.parametrize("data", [
    b"P1\n# a comment\n3 2\n1 0 1\n0 1 0\n", b"P1 3 2 101010", b"P2\n2 2\n9\n0 4\n 9 # end\n5", b"P3 2 1 255\n1 2 3 40 50 60",
    b"P3 1 1 1000\n1 500 1000", b"P4 9 2\n\xf0\x80\x0f\x00", b"P5 2 2 255\n\x00\x40\x80\xff", b"P5 2 1 100\n\x32\x64",
    b"P6 1 1 255\nabc", b"P6 1 1 1000\n\x00\x01\x01\xf4\x03\xe8"])
def test_pnm(decoders, data):
    check(decoders, data)


def test_tiff_of_tiles_planes_and_16_bits(decoders):
    samples = np.random.default_rng(6).integers(0, 65536, (4, 5)).astype(np.uint16)
    got = decoders["Grayscale"](saved(Image.fromarray(samples), "TIFF"))
    assert (got[:, :, 0] == samples >> 8).all()


# ---- damage ----

WHOLE = [(form, mode) for form, mode in (("PNG", "RGB"), ("JPEG", "RGB"), ("JPEG", "L"), ("WEBP", "RGB"), ("TIFF", "RGB"),
                                         ("BMP", "RGB"), ("PPM", "L"), ("JPEG2000", "RGB"))]


@pytest.mark.parametrize("form, mode", WHOLE)
def test_cut_off(decoders, form, mode):
    """Nothing but an empty picture or one of the right size comes of a part, and no part shorter than half is one."""
    data = saved(picture(mode, 24, 20), form)
    for size in range(0, len(data), max(1, len(data) // 150)):
        got = decoders["RGB"](data[:size])
        assert got.shape in ((0, 0, 3), (20, 24, 3))
        assert size > len(data) / 2 or got.size == 0
    assert decoders["Grayscale"](b"").shape == (0, 0, 1)


@pytest.mark.parametrize("form, mode", WHOLE)
def test_changed_bytes(decoders, form, mode):
    random = np.random.default_rng(8)
    data = saved(picture(mode, 24, 20), form)
    for _ in range(300):
        bad = bytearray(data)
        for at in random.integers(0, min(len(bad), random.choice([40, 200, len(bad)])), random.integers(1, 4)):
            bad[at] = random.integers(0, 256)
        try:
            got = decoders["RGB"](bytes(bad))
        except libinfer.InferError as error:
            assert "possible" in str(error)  # too many pixels
            continue
        assert got.ndim == 3 and got.shape[2] == 3


def test_too_many_pixels(decoders):
    huge = png(100000, 100000, 8, 0, b"")
    with pytest.raises(libinfer.InferError, match="100000 x 100000 pixels"):
        decoders["RGB"](huge)
    for data in (b"P5 2000000000 2000000000 255\n", bmp(2**31 - 1, 2**31 - 1, 1, b"")):
        with pytest.raises(libinfer.InferError, match="possible"):
            decoders["RGB"](data)


def test_unknown_bytes(decoders):
    for data in (b"GIF89a" + bytes(50), b"hello", b"P7\n", b"BM", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"):
        assert decoders["RGB"](data).shape == (0, 0, 3)
