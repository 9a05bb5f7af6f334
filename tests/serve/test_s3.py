"""Objects of S3: events in every wrapping, moto with checked signatures, a server that misbehaves, and TLS."""

import json
import shutil
import socket
import time
from urllib.parse import quote_plus

import pytest

from conftest import LINEAR
from mock_runtime import EXE
from s3_store import Authority, Moto, Store, reply
from test_lambda_records import ANSWER, GOOD, ask, bridge, fail, sns, sqs

BODY = json.dumps(GOOD).encode()
LINEAR_EXE = EXE.with_name("infer-serve-linear")


@pytest.fixture(scope="module")
def moto():
    made = Moto()
    yield made
    made.close()


@pytest.fixture
def store():
    made = []

    def make(**options):
        made.append(Store(**options))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def function(runtime, model):
    """A function with an environment."""
    def make(env, *arguments, exe=EXE):
        return runtime().start("--model", model(LINEAR), *arguments, exe=exe, env=env)
    return make


def record(bucket, key, name="ObjectCreated:Put", version=None, region="us-east-1"):
    named = {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "e", "sequencer": "0"}
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": region, "eventName": name,
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                   "object": {**named, "versionId": version} if version else named}}


def event(*records):
    return {"Records": list(records)}


def created(bucket, key, kind="Object Created", **more):
    return {**bridge({"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 1, **more}}),
            "detail-type": kind, "source": "aws.s3", "region": "us-east-1"}


TEST = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00.000Z", "Bucket": "data",
        "RequestId": "1", "HostId": "2"}


# ---- moto, which checks signatures ----

def test_objects_by_type_suffix_and_magic(moto, function):
    data = moto.bucket("kinds")
    objects = [("a.json", BODY, "application/json"), ("b", BODY, "binary/octet-stream"), ("c.csv", b"1,2,3\n", None),
               ("d", b"1,2,3\n", "text/csv"), ("E.CSV", b"1,2,3\n", "application/octet-stream")]
    records = []
    for key, body, kind in objects:
        moto.put(data, key, body, **({"ContentType": kind} if kind else {}))
        records.append(record(data, key))
    f = function(moto.environment())
    answers = [ANSWER if b"{" in body else {"predictions": [4.75]} for _, body, _ in objects]
    assert ask(f, event(*records)) == (answers, [])


KEYS = ["a b.json", "/lead", "a+b", "ü/é/日本.json", "100%", "%41", "a//b", "x&y=z?#", "~!*'();:@$,[]", "a/./b/../c", '"<>\\^`{|}']


@pytest.mark.parametrize("key", KEYS)
def test_odd_keys(moto, function, key):
    moto.put(moto.bucket("odd"), key, BODY)
    f = function(moto.environment(), "--s3-output", "s3://odd/answers/")
    assert ask(f, event(record("odd", key))) == ([{"output": f"s3://odd/answers/{key}.json"}], [])
    assert ask(f, created("odd", key)) == ([{"output": f"s3://odd/answers/{key}.json"}], [])
    kind, body = moto.get("odd", f"answers/{key}.json")
    assert kind == "application/json" and json.loads(body) == ANSWER


def test_versions(moto, function):
    data = moto.bucket("versions", versioned=True)
    first = moto.put(data, "k", BODY)
    second = moto.put(data, "k", b'{"features":[2,2,3]}')
    f = function(moto.environment())
    assert first and ask(f, event(record(data, "k", version=first), record(data, "k", version=second),
                                  record(data, "k"))) == ([ANSWER, {"prediction": 5.25}, {"prediction": 5.25}], [])
    assert ask(f, created(data, "k", **{"version-id": first})) == ([ANSWER], [])
    assert "404" in fail(f, event(record(data, "k", version="none")))


def test_empty_and_large_objects(moto, function):
    data = moto.bucket("sizes")
    rows = 300000
    moto.put(data, "empty", b"")
    moto.put(data, "large.csv", b"1,2,3\n" * rows)
    moto.put(data, "larger.csv", b"1,2,0000000000000003\n" * rows)
    f = function(moto.environment(), "--s3-output", "s3://sizes/out/")
    assert "s3://sizes/empty" in fail(f, event(record(data, "empty")))
    assert ask(f, event(record(data, "large.csv")))[1] == []
    assert json.loads(moto.get(data, "out/large.csv.json")[1]) == {"predictions": [4.75] * rows}
    message = fail(f, event(record(data, "larger.csv")))
    assert "s3://sizes/larger.csv" in message and "6300000 bytes, the limit is 6291456" in message
    more = function(moto.environment(), "--max-body", 10000000, "--s3-output", "s3://sizes/out/")
    assert ask(more, event(record(data, "larger.csv")))[1] == []


def test_failures_are_told_apart(moto, function):
    data = moto.bucket("failures")
    moto.put(data, "bad", b'{"features":[1]}')
    f = function(moto.environment())
    missing = fail(f, event(record(data, "none")))
    assert "s3://failures/none" in missing and "404 NoSuchKey" in missing and "not there" in missing
    assert "404 NoSuchBucket" in fail(f, event(record("no-bucket", "none")))
    assert "s3://failures/bad" in fail(f, event(record(data, "bad")))
    assert f.invoke(GOOD) == (200, ANSWER)
    wrong = function(moto.environment(AWS_SECRET_ACCESS_KEY="wrong"))
    message = fail(wrong, event(record(data, "bad")))
    assert "s3://failures/bad" in message and "403 SignatureDoesNotMatch" in message and "may not be read" in message
    out = function(moto.environment(), "--s3-output", "s3://no-bucket/x/")
    moto.put(data, "good", BODY)
    message = fail(out, event(record(data, "good")))
    assert "s3://failures/good" in message and "s3://no-bucket" in message and "404" in message


def test_answers_are_not_answered(moto, function):
    data = moto.bucket("loop")
    moto.put(data, "in/k", BODY)
    f = function(moto.environment(), "--s3-output", "s3://loop/out/")
    results = ask(f, event(record(data, "in/k"), record(data, "out/in/k.json")))
    assert results == ([{"output": "s3://loop/out/in/k.json"}, None], [])
    assert json.loads(moto.get(data, "out/in/k.json")[1]) == ANSWER
    assert moto.get(data, "out/out/in/k.json.json") is None
    everything = function(moto.environment(), "--s3-output", "s3://loop/")
    assert ask(everything, event(record(data, "in/k"))) == ([None], [])
    assert "passed over" in everything.stop()[1]


# ---- wrappings ----

def test_wrapped_events(store, function):
    f = function(store().environment())
    one, nested = {"results": [ANSWER]}, {"results": [ANSWER, ANSWER]}
    notification = {"Type": "Notification", "Message": json.dumps(event(record("data", "k")))}
    messages = [sqs(0, event(record("data", "k"))), sqs(1, GOOD), sqs(2, event(record("data", "a"), record("data", "b"))),
                sqs(3, created("data", "k")), sqs(4, TEST), sqs(5, notification),
                sqs(6, {**GOOD, "note": "aws:s3"})]
    assert ask(f, event(*messages)) == ([one, ANSWER, nested, ANSWER, None, one, ANSWER], [])
    assert ask(f, event(sns(0, event(record("data", "k"))))) == ([one], [])
    assert ask(f, created("data", "k")) == ([ANSWER], [])
    assert ask(f, TEST) == ([None], [])


def test_wrapped_failures(store, function):
    s = store()
    s.answers = [s.usual, reply(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found"), s.usual]
    f = function(s.environment())
    results, failed = ask(f, event(*[sqs(i, event(record("data", f"k{i}"))) for i in range(3)]))
    assert failed == ["m-1"] and "s3://data/k1" in results[1]["error"] and results[2] == {"results": [ANSWER]}
    s.answers = [reply(b"", "403 Forbidden")]
    message = fail(f, created("data", "k"))
    assert "e-1" in message and "s3://data/k" in message and "403" in message
    s.answers = [reply(b"", "403 Forbidden")]
    assert "s3://data/k" in fail(f, event(sns(0, event(record("data", "k")))))


def test_what_brings_no_object_is_passed_over(store, function):
    s = store()
    f = function(s.environment())
    records = [record("data", "k", name) for name in ("ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated",
                                                      "LifecycleExpiration:Delete", "ObjectTagging:Put")]
    assert ask(f, event(*records, record("data", "folder/"))) == ([None] * 5, [])
    assert ask(f, created("data", "k", "Object Deleted")) == ([None], [])
    assert s.requests == []
    assert ask(f, event(*[record("data", "k", name) for name in (
        "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Put", "ObjectRestore:Completed")])) == ([ANSWER] * 3, [])


@pytest.mark.parametrize("change", [
    {"bucket": "a/b"}, {"bucket": ""}, {"bucket": "x\r\nHost: y"}, {"bucket": "ab"}, {"bucket": "b" * 256},
    {"region": "eu.example.com/"}, {"region": "e" * 70}, {"key": ""}, {"key": "k" * 1025}, {"version": "v" * 1025}])
def test_hostile_names(store, function, change):
    s = store()
    f = function(s.environment())
    assert "aws:s3" in fail(f, event(record(**{"bucket": "data", "key": "k", **change})))
    assert s.requests == []


@pytest.mark.parametrize("damage", [
    {"s3": 5}, {"s3": {}}, {"s3": {"bucket": {"name": "data"}}}, {"s3": {"bucket": {"name": "data"}, "object": {"key": 1}}},
    {"s3": {"bucket": {"name": "data"}, "object": {"key": "%zz"}}}, {"s3": {"bucket": {"name": "data"}, "object": {"key": "%4"}}},
    {"s3": {"bucket": {"name": "data"}, "object": {"key": "a%00b"}}}])
def test_damaged_records(store, function, damage):
    f = function(store().environment())
    assert "aws:s3" in fail(f, event({**record("data", "k"), **damage}))
    assert f.invoke(GOOD) == (200, ANSWER)


# ---- requests ----

def test_the_request(store, function):
    s = store()
    f = function(s.environment(AWS_SESSION_TOKEN="token/+="))
    assert ask(f, event(record("data", "a b", version="v=1", region="ap-south-1"))) == ([ANSWER], [])
    method, path, headers, body, _ = s.requests[0]
    assert (method, path, body) == ("GET", "/data/a%20b?versionId=v%3D1", b"")
    assert headers["Host"] == f"127.0.0.1:{s.port}" and headers["X-Amz-Security-Token"] == "token/+="
    assert "/ap-south-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token" in \
        headers["Authorization"]


@pytest.mark.parametrize("env, word", [
    ({"AWS_ACCESS_KEY_ID": ""}, "AWS_ACCESS_KEY_ID"), ({"AWS_ENDPOINT_URL_S3": "localhost:1"}, "localhost:1"),
    ({"AWS_ENDPOINT_URL_S3": "http://h/path"}, "http://h/path"), ({"AWS_ENDPOINT_URL_S3": "http://h:99999"}, "h:99999"),
    ({"AWS_ENDPOINT_URL_S3": "http://"}, "http://"), ({"AWS_ENDPOINT_URL_S3": "http://h:0"}, "h:0"),
    ({"AWS_ENDPOINT_URL_S3": "http://[::1:80"}, "[::1:80"), ({"AWS_ENDPOINT_URL_S3": "http://a b"}, "a b")])
def test_wrong_environments(store, function, env, word):
    assert word in fail(function({**store().environment(), **env}), event(record("data", "k")))


def test_no_region(store, function):
    assert "AWS_REGION" in fail(function({**store().environment(), "AWS_REGION": ""}), event(record("data", "k", region="")))


@pytest.mark.parametrize("url", ["data/x", "s3://data", "s3:///x", "http://data/x"])
def test_wrong_outputs_are_told_at_the_start(runtime, model, url):
    r = runtime().start("--model", model(LINEAR), "--s3-output", url)
    assert r.process.wait(10) == 2


# ---- connections ----

def test_one_connection_is_kept(store, function):
    s = store()
    f = function(s.environment())
    assert ask(f, event(*[record("data", f"k{i}") for i in range(20)])) == ([ANSWER] * 20, [])
    assert ask(f, event(record("data", "k"))) == ([ANSWER], [])
    assert s.connections == 1


def hang_up(handler):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def test_a_dead_connection_is_replaced_once(store, function):
    s = store()
    f = function(s.environment())
    s.answers = [s.usual, hang_up, s.usual]
    assert ask(f, event(record("data", "a"), record("data", "b"))) == ([ANSWER] * 2, [])
    assert s.connections == 2
    s.answers = [s.usual, hang_up, hang_up]
    assert "s3://data/b" in fail(f, event(record("data", "a"), record("data", "b")))
    s.answers = [reply(BODY, "200 OK", "Connection: close"), s.usual]
    assert ask(f, event(record("data", "a"), record("data", "b"))) == ([ANSWER] * 2, [])


def test_forms_of_answers(store, function):
    s = store()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5) + \
        BODY[5:] + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
    s.answers = [chunked, b"HTTP/1.1 100 Continue\r\n\r\n" + s.usual, reply(BODY, "200 OK", "content-ENCODING: identity"),
                 b"HTTP/1.0 200 OK\r\ncontent-length:%d\r\n\r\n" % len(BODY) + BODY]
    f = function(s.environment())
    assert ask(f, event(*[record("data", "k")] * 4)) == ([ANSWER] * 4, [])


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("answer, word", [
    (reply(BODY, length=len(BODY) + 5) + b"", "early|in time|after"), (b"garbage\r\n\r\n", "no HTTP"), (b"", "early"),
    (HEAD + b"Content-Length: -1\r\n\r\n", "Content-Length"), (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", "Content-Length"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length"), (HEAD + b"\r\n", "without a length"),
    (HEAD + b"X: " + b"x" * 20000 + b"\r\n\r\n", "head"), (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"), (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "chunk"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "chunk"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n700000\r\n", "6291456"),
    (reply(b"", length=7000000), "7000000 bytes, the limit is 6291456"), (reply(BODY, "200 OK", "Content-Encoding: gzip"), "gzip"),
    (reply(b"", "301 Moved Permanently", "Location: http://127.0.0.1:1/"), "301"), (reply(b"x", "500 Oops", length=10 ** 9), "500"),
    (reply(b"<Code>" + b"a" * 70 + b"</Code>", "503 Slow Down"), "503 aaa")], ids=range(18))
def test_answers_that_are_none(store, function, answer, word):
    s = store(usual=answer)

    def send(handler):
        handler.wfile.write(answer)
        handler.close_connection = True
    s.usual = send
    message = fail(function(s.environment(), "--timeout-ms", 1000), event(record("data", "k")))
    assert "s3://data/k" in message and any(part in message for part in word.split("|")), message


def test_silence(store, function):
    s = store()
    s.answers = [lambda handler: time.sleep(3)]
    f = function(s.environment(), "--timeout-ms", 300)
    started = time.monotonic()
    assert "in time" in fail(f, event(record("data", "k")))
    assert time.monotonic() - started < 2
    assert ask(f, event(record("data", "k"))) == ([ANSWER], [])


def test_nobody_listens(store, function):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    f = function(store().environment(AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{port}"))
    assert "s3://data/k: " in fail(f, event(record("data", "k")))


def test_several_at_once(store, function):
    s = store()
    f = function(s.environment(AWS_LAMBDA_MAX_CONCURRENCY="4"))
    for _ in range(40):
        f.send(event(record("data", "k")))
    for _ in range(40):
        assert f.answer()[2]["results"] == [ANSWER]


def test_the_smaller_program_says_so(runtime, model, tmp_path, store):
    from test_programs import compiled
    s = store()
    path = compiled(model(LINEAR), tmp_path / "m.infer")
    f = runtime().start("--model", path, exe=LINEAR_EXE, env=s.environment())
    assert "fetches no objects" in fail(f, event(record("data", "k")))
    results, failed = ask(f, event(sqs(0, event(record("data", "k"))), sqs(1, GOOD)))
    assert failed == ["m-0"] and "fetches no objects" in results[0]["error"] and results[1] == ANSWER
    assert "fetches no objects" in fail(f, created("data", "k"))


# ---- TLS ----

@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "right"), Authority(folder, "wrong")


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_tls(authorities, store, function, variable):
    right, _ = authorities
    s = store(certificate=right.host("localhost"))
    f = function(s.environment(**{variable: str(right.certificate)}), "--s3-output", "s3://out/")
    assert ask(f, event(*[record("data", f"k{i}") for i in range(5)]))[1] == []
    assert s.connections == 2  # one of reading, one of writing
    assert [request[0] for request in s.requests] == ["GET", "PUT"] * 5
    s.answers = [s.usual, s.usual, hang_up]
    assert ask(f, event(record("data", "a"), record("data", "b")))[1] == []


def test_large_objects_by_tls(authorities, store, function):
    right, _ = authorities
    s = store(certificate=right.host("localhost"), usual=reply(b"1,2,3\n" * 300000, "200 OK", "Content-Type: text/csv"))
    f = function(s.environment(AWS_CA_BUNDLE=str(right.certificate)), "--s3-output", "s3://out/")
    assert ask(f, event(record("data", "k"))) == ([{"output": "s3://out/k.json"}], [])
    assert json.loads(s.requests[1][3]) == {"predictions": [4.75] * 300000}


@pytest.mark.parametrize("host, expired, trusted, word", [
    ("localhost", False, "wrong", "known authority"), ("example.com", False, "right", "another host"),
    ("localhost", True, "right", "expired"), ("localhost", False, "none", "AWS_CA_BUNDLE|has no certificates")])
def test_certificates_that_are_refused(authorities, store, function, tmp_path, host, expired, trusted, word):
    right, wrong = authorities
    s = store(certificate=right.host(host, expired))
    bundle = {"right": right.certificate, "wrong": wrong.certificate, "none": tmp_path / "none.pem"}[trusted]
    message = fail(function(s.environment(AWS_CA_BUNDLE=str(bundle))), event(record("data", "k")))
    assert "s3://data/k" in message and any(part in message for part in word.split("|")), message
    assert s.requests == []


def test_tls_where_there_is_none(store, function, authorities):
    s = store()
    env = s.environment(AWS_ENDPOINT_URL_S3=s.url.replace("http://127.0.0.1", "https://localhost"),
                        AWS_CA_BUNDLE=str(authorities[0].certificate))
    assert "TLS failed" in fail(function(env), event(record("data", "k")))
