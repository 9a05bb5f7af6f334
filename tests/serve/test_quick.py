"""The short way for plain rows gives what the long way gives, and takes nothing that the long way refuses."""

import http.client
import json
import random

import pytest

IDENTITY = {"format": "libinfer-linear", "version": 1, "coefficients": [[1]], "intercepts": [0]}
NUMBERS = ["0", "-0", "0.0", "-0.0", "1", "-1", "0.1", "-0.1", "123456789012345", "9007199254740991", "9007199254740992",
           "9007199254740993", "18014398509481985", "0.30000000000000004", "5e-324", "1e308", "1E5",
           "1e+5", "1e-5", "0.000000000000000000000001", "3.141592653589793238462643", "1.7976931348623157e308",
           "2.2250738585072014e-308", "0.00000000000000000000001", "4.35", "8.41e21", "123456.7890123456"]
WRONG = ["01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "1_0", "1 2", "--1", "1..2", "00",
         "-01", "1,", "", "null", "true", '"1"', "[1]", "1e999", "１", "1\x00"]


@pytest.fixture
def ask(server, model):
    """Posts bodies on one connection."""
    s = server("--model", model(IDENTITY), "--log-level", "error")
    connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=20)

    def post(body):
        connection.request("POST", "/predict", body.encode())
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    yield post
    connection.close()


def numbers():
    rng = random.Random(7)
    yield from NUMBERS
    for _ in range(2000):
        digits = rng.randint(1, 18)
        places = rng.randint(0, 25)
        value = str(rng.randrange(10 ** digits))
        yield rng.choice(["", "-"]) + (value if not places else f"{rng.choice(['0', value])}.{rng.randrange(10 ** places):0{places}}")


def test_numbers_are_exact(ask):
    for text in numbers():
        for body in (f'{{"features":[{text}]}}', f' {{ "features" : [ {text} ] }} \n', f'{{"features":[{text}],"x":1}}'):
            status, answer = ask(body)
            assert status == 200 and answer["prediction"] == float(text), (text, body)


def test_what_is_wrong_stays_wrong(ask):
    for text in WRONG:
        for body in (f'{{"features":[{text}]}}', f'{{"features":[{text}],"x":1}}'):
            assert ask(body)[0] == 400, body
    for body in ('{"features":[1]', '{"features":[1]}}', '{"features":[1]}x', '{"features":[1 ]}x', '{"features":[1],}',
                 '{"features" [1]}', '{features:[1]}', '{"Features":[1]}', '{"features":[1,2]}', '{"features":[]}',
                 '{"features":[1]}{"features":[1]}'):
        assert ask(body)[0] == 400, body
    assert ask('{"features":[1]}') == (200, {"prediction": 1.0})
