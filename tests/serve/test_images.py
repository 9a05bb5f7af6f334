"""Images as bodies, judged by Pillow and NumPy."""

import base64
import io
import json
import struct
import subprocess

import pytest

from mock_runtime import EXE

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
onnx = pytest.importorskip("onnx")
INFER = EXE.parents[1] / "cli" / "infer"
FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def picture(width, height, mode="RGB", seed=0):
    """Smooth areas, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 255 * ((x // 5 + y // 7) % 2)], -1)
    rgb = np.clip(rgb + rng.normal(0, 20, rgb.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(rgb).convert(mode)


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def identity(server, tmp_path):
    """A server whose answer is the tensor that it made of the image."""
    from onnx import helper

    def make(block, kind="FLOAT", compiled=True, option=False):
        port = lambda name: helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), ["n", "a", "b", "c"])  # noqa: E731
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [port("x")], [port("y")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if not compiled and not option:
            helper.set_model_props(model, {"preprocess": json.dumps(block)})
        path, file = tmp_path / "m.onnx", tmp_path / "block.json"
        onnx.save(model, path)
        file.write_text(json.dumps(block))
        if compiled:
            subprocess.run([INFER, "compile", "-q", path, "-o", tmp_path / "m.infer", "--preprocess", file], check=True)
            path = tmp_path / "m.infer"
        return server("--model", path, *(["--preprocess", file] if option else []), "--log-level", "error")
    return make


def ask(s, data, kind="image/png"):
    status, _, answer = s.request("POST", "/predict", data, {"content-type": kind})
    assert status == 200, answer
    return np.array(answer["outputs"]["y"])


def expected(image, size=None, filter="bilinear", crop=None, scale=1 / 255, mean=(0,), std=(1,), grey=False, bgr=False,
             last=False):
    image = image.convert("RGB")
    if size:
        image = image.resize(size, FILTERS[filter])
    if crop:
        left, top = round((image.width - crop[1]) / 2), round((image.height - crop[0]) / 2)
        image = image.crop((left, top, left + crop[1], top + crop[0]))
    raw = np.asarray(image.convert("L") if grey else image).astype(np.float64).reshape(image.height, image.width, -1)
    raw = raw[..., ::-1] if bgr else raw
    raw = (raw * scale - np.array(mean)) / np.array(std)
    return (raw if last else raw.transpose(2, 0, 1))[None]


@pytest.mark.parametrize("mode, options", [
    ("RGB", {}), ("L", {}), ("1", {}), ("P", {}), ("RGBA", {}), ("LA", {}), ("RGB", {"optimize": True})])
def test_png(identity, mode, options):
    image = picture(37, 23, mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    got = ask(identity({"scale": 1}), encode(image, **options))
    np.testing.assert_array_equal(got, expected(image, scale=1))


def test_deep_png(identity):
    """16 bits are scaled to 8 as libpng does it: within one unit of the upper byte."""
    raw = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    got = ask(identity({"scale": 1, "channels": "GRAY"}), encode(Image.fromarray(raw)))
    assert np.abs(got[0, 0] - raw / 257).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"quality": 60}, {"subsampling": 2}, {"progressive": True}])
def test_jpeg(identity, mode, options):
    """Two builds of libjpeg-turbo may differ by their upsampling and rounding: 2 units of 255."""
    data = encode(picture(61, 47, mode), "JPEG", **options)
    got = ask(identity({"scale": 1}), data, "image/jpeg")
    assert np.abs(got - expected(Image.open(io.BytesIO(data)), scale=1)).max() <= 2


def exif(orientation, order="<", kind=3, more=(), offset=8):
    """A TIFF of one directory, with the orientation behind some other tags."""
    entries = [(0x010f, 2, 4, b"abc\0"), *more, (0x0112, kind, 1, struct.pack(order + "HH", orientation, 0))]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, offset)
    return b"Exif\0\0" + head + b"\0" * (offset - 8) + struct.pack(order + "H", len(entries)) + b"".join(
        struct.pack(order + "HHI", tag, type, count) + value for tag, type, count, value in entries) + b"\0" * 4


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", "<>")
def test_orientation(identity, orientation, order):
    data = encode(picture(61, 47), "JPEG", exif=exif(orientation, order, offset=8 if orientation % 2 else 20))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert upright.size == ((47, 61) if 5 <= orientation <= 8 else (61, 47))
    got = ask(identity({"scale": 1}), data, "image/jpeg")
    assert np.abs(got - expected(upright, scale=1)).max() <= 2


def test_orientation_goes_before_the_rest_or_is_ignored(identity):
    data = encode(picture(60, 40), "JPEG", exif=exif(6), subsampling=0)
    stored, upright = Image.open(io.BytesIO(data)), ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    block = {"scale": 1, "resize": {"size": 20, "mode": "shortest"}, "crop": [24, 16]}
    got = ask(identity(block), data, "image/jpeg")
    assert np.abs(got - expected(upright, (20, 30), crop=(24, 16), scale=1)).max() <= 2
    got = ask(identity({"scale": 1, "orientation": "ignore"}), data, "image/jpeg")
    assert got.shape == (1, 3, 40, 60) and np.abs(got - expected(stored, scale=1)).max() <= 2
    got = ask(identity({"scale": 1, "orientation": "exif"}), data, "image/jpeg")
    assert got.shape == (1, 3, 60, 40)


def test_damaged_exif(identity):
    """Whatever the segment has, the picture is read; upright where nothing sensible is said."""
    s, image = identity({"scale": 1}), picture(30, 20)
    whole = exif(6)
    wrong = [whole[:size] for size in range(6, len(whole) - 5)]
    wrong += [whole[:10] + struct.pack("<I", at) + whole[14:] for at in (len(whole) - 7, len(whole), 2 ** 31, 2 ** 32 - 1)]
    wrong += [b"Exif\0\0XX*\0" + whole[10:], exif(6, kind=2), b"http://ns.adobe.com/xap/1.0/\0<x/>", exif(65535)]
    for data in wrong:
        jpeg = encode(image, "JPEG")
        jpeg = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:]
        assert ask(s, jpeg, "image/jpeg").shape in ((1, 3, 20, 30), (1, 3, 30, 20))
    assert s.stop()[0] == 0


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("size", [(8, 8), (17, 40), (64, 48), (200, 3), (1, 1), (37, 23), (90, 61), (5, 300),
                                  (37, 5), (300, 22), (36, 300)])
def test_resize(identity, filter, size):
    """Exact for nearest; one unit for sums whose rounding may differ."""
    image = picture(37, 23)
    block = {"scale": 1, "resize": {"size": [size[1], size[0]], "filter": filter}}
    difference = np.abs(ask(identity(block), encode(image)) - expected(image, size, filter, scale=1))
    assert difference.max() <= (0 if filter == "nearest" else 1)
    assert difference.mean() < 0.01


@pytest.mark.parametrize("width, height", [(300, 200), (200, 300), (256, 256), (31, 500)])
def test_as_image_networks_have_it(identity, width, height):
    image = picture(width, height)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    s = identity({"resize": {"size": 64, "mode": "shortest"}, "crop": 56, "mean": mean, "std": std})
    size = (64, 64 * height // width) if width < height else (64 * width // height, 64)
    got = ask(s, encode(image))
    assert got.shape == (1, 3, 56, 56)
    assert np.abs(got - expected(image, size, crop=(56, 56), mean=mean, std=std)).max() <= 1 / 255 / 0.224 + 1e-6


@pytest.mark.parametrize("block, keywords", [
    ({"channels": "BGR"}, {"bgr": True}), ({"channels": "GRAY"}, {"grey": True}), ({"layout": "NHWC"}, {"last": True}),
    ({"channels": "BGR", "layout": "NHWC", "scale": 1, "mean": [104, 117, 123]},
     {"bgr": True, "last": True, "scale": 1, "mean": [104, 117, 123]}),
    ({"crop": [5, 9]}, {"crop": (5, 9)}), ({"channels": "GRAY", "mean": [0.5], "std": [0.5]}, {"grey": True, "mean": [0.5], "std": [0.5]})])
@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
def test_orders(identity, block, keywords, kind):
    image = picture(20, 12)
    np.testing.assert_allclose(ask(identity(block, kind), encode(image)), expected(image, **keywords), rtol=0,
                               atol=2e-5 if kind == "FLOAT" else 1e-12)


def test_bytes(identity):
    image = picture(20, 12)
    np.testing.assert_array_equal(ask(identity({"scale": 1}, "UINT8"), encode(image)), expected(image, scale=1))


def test_block_in_the_onnx_file_in_an_option_and_base64(identity):
    image = picture(20, 12)
    for keywords in ({"compiled": False}, {"compiled": False, "option": True}):
        s = identity({"scale": 1, "input": "x"}, **keywords)
        np.testing.assert_array_equal(ask(s, encode(image)), expected(image, scale=1))
        status, _, answer = s.predict({"image": base64.b64encode(encode(image)).decode()})
        assert status == 200 and answer["outputs"]["y"] == expected(image, scale=1).tolist()
        assert "image" in s.request("GET", "/model")[2]["takes"]
        s.close()


WRONG = [[], 7, {"x": 1}, {"input": "nope"}, {"input": 7, "x": 1}, {"resize": 7}, {"resize": {}}, {"resize": {"size": 0}},
         {"resize": {"size": -1}}, {"resize": {"size": 1.5}}, {"resize": {"size": 10 ** 6}}, {"resize": {"size": [1, 2, 3]}},
         {"resize": {"size": [4, 4], "mode": "shortest"}}, {"resize": {"size": 4, "mode": "x"}}, {"resize": {"size": 4, "y": 1}},
         {"resize": {"size": 4, "filter": "lanczos"}}, {"crop": 0}, {"crop": "4"}, {"crop": [4]}, {"channels": "CMYK"},
         {"channels": 3}, {"scale": "1"}, {"mean": [1]}, {"mean": 1}, {"mean": [1, 2, "3"]}, {"std": [1, 0, 1]}, {"std": []},
         {"layout": "CHW"}, {"orientation": "up"}, {"orientation": 1}, {"channels": "GRAY", "mean": [1, 2, 3]}]


@pytest.mark.parametrize("block", WRONG)
def test_wrong_blocks_are_told_at_the_start(identity, block):
    with pytest.raises(RuntimeError, match="preprocess"):
        identity(block, option=True, compiled=False)


def damaged():
    """Files cut short, bytes changed, sizes that are not there, and what is no image at all."""
    rng = np.random.default_rng(3)
    for kind in ("PNG", "JPEG"):
        data = encode(picture(40, 30), kind)
        for size in (0, 1, 3, 8, 20, 60, len(data) // 2, len(data) - 20):
            yield data[:size]
        for _ in range(40):
            changed = bytearray(data)
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
            yield bytes(changed)
    header = bytearray(encode(picture(4, 4)))
    header[16:24] = b"\x7f\xff\xff\xff\x7f\xff\xff\xff"
    yield bytes(header)
    yield encode(picture(4, 4), "BMP")
    yield encode(picture(4, 4), "GIF")
    yield b"GARBAGE"
    yield encode(picture(9, 9).convert("CMYK"), "JPEG")


def test_damaged_files(identity):
    s = identity({"scale": 1})
    good = encode(picture(8, 8))
    for number, data in enumerate(damaged()):
        status, _, answer = s.request("POST", "/predict", data, {"content-type": "image/png"})
        # A flipped bit of JPEG may be another picture; of PNG the checksum tells.
        assert status in (400, 413, 415) or (status == 200 and data[:2] == b"\xff\xd8"), (number, status)
        assert status == 200 or answer["error"]
    assert number > 80
    assert s.request("POST", "/predict", good, {"content-type": "image/png"})[0] == 200
    assert s.resident_kb() < 60000
    assert s.stop()[0] == 0


def test_images_that_do_not_fit(identity, server, model):
    s = identity({"crop": 50})
    assert s.request("POST", "/predict", encode(picture(60, 40)), {"content-type": "image/png"})[0] == 400
    bomb = encode(Image.new("L", (9000, 9000)))
    status, _, answer = s.request("POST", "/predict", bomb, {"content-type": "image/png"})
    assert status == 413 and "9000 x 9000" in answer["error"]
    assert s.predict({"image": "?"})[0] == 400 and s.predict({"image": 7})[0] == 400
    plain = server("--model", model({"format": "libinfer-linear", "version": 1, "coefficients": [[1]], "intercepts": [0]}))
    assert plain.request("POST", "/predict", encode(picture(4, 4)), {"content-type": "image/png"})[0] == 415
