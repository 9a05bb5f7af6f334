"""Malformed HTTP: hundreds of raw requests, each refused or dropped, and the next one served."""

import pytest

from conftest import LOGISTIC

GOOD = b'{"features":[1,2,3]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"


def request(line=b"POST /predict HTTP/1.1", headers=(), body=GOOD, length=None):
    length = b"%d" % len(body) if length is None else length
    lines = [line, b"Host: x", *headers, *([b"Content-Length: " + length] if length is not False else [])]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*parts):
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts)


# Each: the statuses that are right for it; None is a connection that was closed without one.
LINES = [b"", b"\r\n", b" ", b"POST", b"POST ", b"POST /predict", b"POST /predict HTTP", b"POST /predict HTTP/",
         b"POST /predict HTTP/1", b"POST /predict HTTP/x.y", b"POST /predict HTTP/9.9", b"POST /predict HTTPS/1.1",
         b"POST  /predict  HTTP/1.1", b"POST\t/predict\tHTTP/1.1", b"/predict POST HTTP/1.1", b"post /predict HTTP/1.1",
         b"BREW /predict HTTP/1.1", b"POST predict HTTP/1.1", b"POST * HTTP/1.1", b"POST ? HTTP/1.1",
         b"POST #x HTTP/1.1", b"POST /pre dict HTTP/1.1", b"POST /predict\x00 HTTP/1.1", b"POST /\xff\xfe HTTP/1.1",
         b"POST http:// HTTP/1.1", b"POST http://[::1 HTTP/1.1", b"POST //// HTTP/1.1", b"POST /../../etc HTTP/1.1",
         b"POST /%zz HTTP/1.1", b"POST /%00 HTTP/1.1", b"POST /" + b"a" * 100000 + b" HTTP/1.1",
         b"X" * 100000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0", b"CONNECT x:1 HTTP/1.1",
         b"TRACE / HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET /predict HTTP/1.1", b"\x00\x00\x00\x00", b"{}"]
HEADERS = [b"no colon", b": no name", b"\x00: x", b"X\x00Y: z", b"X: " + b"y" * 70000, b"X" * 70000 + b": y",
           b" folded: first", b"X : space", b"X:\x01\x02", b"Host", b"\xff\xfe: \xff", b"Expect: nonsense",
           b"Transfer-Encoding: nonsense", b"Transfer-Encoding: chunked, gzip", b"Upgrade: h2c"]
LENGTHS = [b"", b"x", b"-1", b"+20", b"0x14", b"20x", b"2 0", b"1e1", b"99999999999999999999999", b"18446744073709551616",
           b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"6291457", b"1.5", b"20,20", b"\x00"]
CHUNKS = [b"x\r\n", b"-1\r\n", b"0x5\r\n", b"ffffffffffffffff\r\nx", b"7fffffffffffffff\r\nx", b"fffffffffffffffff\r\n",
          b"5\r\nabc", b"5\r\nabcdefgh\r\n", b"\r\n", b"5\r\nabcde\r\n", b"5;ext\r\nabcde\r\n0\r\n\r\n", b"0\r\n\r\n", b"0\r\n",
          b"00000000000000000000005\r\nabcde\r\n0\r\n\r\n", b"600001\r\n" + b" " * 100, b"5\nabcde\n0\n\n"]
BODIES = [b"", b"{", b"}", b"[", b"]", b"null", b"true", b"1", b"1e999", b'"', b'"x"', b"[1,2,3]", b"{}", b'{"features"}',
          b'{"features":}', b'{"features":null}', b'{"features":1}', b'{"features":"1,2,3"}', b'{"features":{}}',
          b'{"features":[]}', b'{"features":[1]}', b'{"features":[1,2]}', b'{"features":[1,2,3,4]}', b'{"features":[1,2,null]}',
          b'{"features":[1,2,true]}', b'{"features":[1,2,[3]]}', b'{"features":[1,2,{}]}', b'{"features":[1,2,"3"]}',
          b'{"features":[1,2,NaN]}', b'{"features":[1,2,Infinity]}', b'{"features":[1,2,-]}', b'{"features":[1,2,01]}',
          b'{"features":[1,2,1e999]}', b'{"features":[1,2,3],}', b'{"features":[1,2,3]}x', b'{"features":[1,2,3]}{}',
          b'{"features":[1,2,3],"features":[1,2,3]}', b'{"features":[1,2,3],"instances":[[1,2,3]]}', b'{"instances":1}',
          b'{"instances":[]}', b'{"instances":[1,2,3]}', b'{"instances":[[1,2,3],[1,2]]}', b'{"instances":[[1,2,3],null]}',
          b'{"features":{"age":1,"size":2}}', b'{"features":{"age":1,"size":2,"x":3}}', b'{"inputs":[]}', b'{"inputs":{}}',
          b'{"inputs":{"x":1}}', b'{"inputs":{"features":[1,2,3]}}', b'{"inputs":{"features":[[1,2],[3]]}}',
          b'{"text":"a"}', b'{"image":"a"}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00" * 20, b"<xml/>", b"a=1&b=2",
          b'{"features":[1,2,3]' + b" " * 1000, b"[" * 1000, b'{"a":' * 1000, b'"' + b"\\u0000" * 100 + b'"',
          b'{"\\ud800":1}', b'{"features":[1,2,3],"\\u0000":1,"\\u0000":2}']
TYPES = [b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b"application/json; charset=utf-8", b""]
TYPED = [b"text/csv", b"application/x-npy", b"text/csv; header=present"]
NOT_ROWS = [b"", b"x", b"1,2", b"1,2,3,4", b"1,2,x", b"a,b,c\n", b"age,size,h\n1,2,3", b"1,2,3\n4,5", b",,", b"\x00", b"1;2;3",
            b'"1,2,3', b"nan,1,2", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x09\x00\x10\x00" + b" " * 16]


def cases():
    refused = {400, 404, 405, 408, 413, 414, 417, 431, 501, 505, None}
    for line in LINES:
        for tail in (b"\r\n\r\n", b"\n\n", b"\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"):
            yield line + tail, refused
    for header in HEADERS:
        for place in ([header], [b"A: b", header], [header, header]):
            yield request(headers=place, body=b"{}"), refused
    for length in LENGTHS:
        for body in (b"", b"{}", b"x" * 30):
            yield request(length=length, body=body), refused
    for chunk in CHUNKS:
        yield chunked(chunk), refused
        yield chunked(b"2\r\n{}\r\n", chunk), refused
    for body in BODIES:
        for kind in TYPES:
            yield request(headers=[b"Connection: close", b"Content-Type: " + kind], body=body), {400, 413, 415}
    for body in NOT_ROWS:
        for kind in TYPED:
            yield request(headers=[b"Connection: close", b"Content-Type: " + kind], body=body), {400, 415}
    whole = request()
    for size in range(0, len(whole), 3):
        yield whole[:size], refused


def test_there_are_enough():
    assert len(list(cases())) > 500


@pytest.mark.parametrize("threads", [0, 1])
def test_malformed_requests(server, model, threads):
    s = server("--model", model(LOGISTIC), "--timeout-ms", 2000, "--threads", threads)
    for number, (data, right) in enumerate(cases()):
        reply = s.send(data, 5)
        status = int(reply[9:12]) if reply.startswith(b"HTTP/1.1 ") or reply.startswith(b"HTTP/1.0 ") else None
        assert reply == b"" or status is not None, (data[:200], reply[:200])
        assert status in right, (data[:200], reply[:200])
        if number % 10 == 0:
            assert s.predict({"features": [1, 2, 3]})[0] == 200
    assert s.resident_kb() < 20000
    assert s.stop()[0] == 0
