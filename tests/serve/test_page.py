"""The try-it page in a real browser: Debian's Chromium, driven over the WebDriver protocol."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from conftest import LINEAR, LOGISTIC
from http_server import free_port

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1100,700"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    def __init__(self, profile):
        self.port = free_port()
        self.process = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={profile}"]}
        for attempt in range(100):
            try:
                made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
                break
            except urllib.error.URLError:
                if attempt == 99:
                    raise
                time.sleep(0.1)
        self.session = f"/session/{made['sessionId']}"

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}",
                                         None if body is None else json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())["value"]

    def open(self, url):
        self.call("POST", self.session + "/url", {"url": url})

    def find(self, selector):
        for _ in range(100):
            try:
                found = self.call("POST", self.session + "/element", {"using": "css selector", "value": selector})
                return f"{self.session}/element/{found[ELEMENT]}"
            except urllib.error.HTTPError:
                time.sleep(0.05)
        raise TimeoutError(selector)

    def type(self, selector, text):
        field = self.find(selector)
        self.call("POST", field + "/clear", {})
        self.call("POST", field + "/value", {"text": text})

    def click(self, selector):
        self.call("POST", self.find(selector) + "/click", {})

    def text(self, selector):
        return self.call("GET", self.find(selector) + "/text")

    def wait_text(self, selector):
        for _ in range(100):
            if text := self.text(selector):
                return text
            time.sleep(0.05)
        raise TimeoutError(selector)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", self.session + "/screenshot")))

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture
def browser(tmp_path):
    if not shutil.which("chromedriver") or not shutil.which("chromium"):
        pytest.skip("Chromium is not installed")
    one = Browser(tmp_path / "profile")
    yield one
    one.close()


def keep(browser, tmp_path, name):
    """INFER_SCREENSHOTS names a folder for people who want to look."""
    folder = os.environ.get("INFER_SCREENSHOTS")
    path = Path(folder or tmp_path) / f"{name}.png"
    browser.screenshot(path)
    assert path.stat().st_size > 5000


def test_named_features_and_bars(server, model, browser, tmp_path):
    s = server("--model", model(LOGISTIC))
    browser.open(f"http://127.0.0.1:{s.port}/")
    for name, value in (("age", "1"), ("size", "2"), ("höhe", "3")):
        browser.type(f'input[type=number][name="{name}"]', value)
    browser.click("#predict")
    want = s.predict({"features": [1, 2, 3]})[2]
    assert browser.wait_text("#label") == want["label"]
    bars = browser.text("#bars").split()
    assert bars == ["malignant", f"{want['probabilities']['malignant']:.4f}",
                    "benign", f"{want['probabilities']['benign']:.4f}"]
    assert "ms" in browser.text("#time")
    keep(browser, tmp_path, "classifier")
    # Wide numbers widen the slider, and errors are shown in words.
    browser.type('input[type=number][name="age"]', "1e300")
    browser.click("#predict")
    keep(browser, tmp_path, "wide")


def test_lists_and_errors(server, model, browser, tmp_path):
    s = server("--model", model(LINEAR))
    browser.open(f"http://127.0.0.1:{s.port}/")
    browser.type("#text", "1, 2, 3")
    browser.click("#predict")
    assert float(browser.wait_text("#label")) == s.predict({"features": [1, 2, 3]})[2]["prediction"]
    browser.type("#text", "1, 2")
    browser.click("#predict")
    assert "2 features were given, the model takes 3" in browser.wait_text("#error")
    keep(browser, tmp_path, "list")


def test_graphs(server, slow_model, browser):
    s = server("--model", slow_model(1, 8))
    browser.open(f"http://127.0.0.1:{s.port}/")
    browser.type("#text", "2")
    browser.click("#predict")
    assert float(browser.wait_text("#label")) == pytest.approx(32)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_images_and_texts(server, browser, tmp_path, kind):
    onnx = pytest.importorskip("onnx")
    Image = pytest.importorskip("PIL.Image")
    from onnx import TensorProto, helper
    port = helper.make_tensor_value_info
    if kind == "image":
        node, x, y = helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0), port("x", TensorProto.FLOAT, [1, 3, "h", "w"]), \
            port("y", TensorProto.FLOAT, [])
    else:
        node, x, y = helper.make_node("Identity", ["x"], ["y"]), port("x", TensorProto.STRING, [1]), \
            port("y", TensorProto.STRING, [1])
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)],
                              ir_version=8)
    if kind == "image":
        helper.set_model_props(model, {"preprocess": json.dumps({"scale": 1})})
    onnx.save(model, tmp_path / "m.onnx")
    s = server("--model", tmp_path / "m.onnx")
    browser.open(f"http://127.0.0.1:{s.port}/")
    if kind == "image":
        Image.new("RGB", (60, 40), (10, 20, 60)).save(tmp_path / "p.png")
        browser.call("POST", browser.find("#file") + "/value", {"text": str(tmp_path / "p.png")})
        assert float(browser.wait_text("#label")) == 30
    else:
        browser.type("#text", "höhe & <b>")
        browser.click("#predict")
        assert browser.wait_text("#label") == "höhe & <b>"
    keep(browser, tmp_path, kind)
