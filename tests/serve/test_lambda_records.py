"""Events of records: payloads, partial failures, and what is no request."""

import base64
import json

import pytest

from conftest import LINEAR
from mock_runtime import VERSION

GOOD = {"features": [1, 2, 3]}  # 4.75 from LINEAR
BAD = {"features": [1, 2]}
ANSWER = {"prediction": 4.75}


def sqs(number, request, queue="q"):
    body = request if isinstance(request, str) else json.dumps(request)
    return {"messageId": f"m-{number}", "receiptHandle": "x", "body": body, "attributes": {}, "messageAttributes": {},
            "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": f"arn:aws:sqs:us-east-1:1:{queue}",
            "awsRegion": "us-east-1"}


def kinesis(number, request):
    data = request if isinstance(request, str) else base64.b64encode(json.dumps(request).encode()).decode()
    return {"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "1", "sequenceNumber": f"s-{number}",
                        "data": data, "approximateArrivalTimestamp": 1545084650.987},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"shard-0:s-{number}",
            "eventName": "aws:kinesis:record", "eventSourceARN": "arn:aws:kinesis:us-east-1:1:stream/s"}


def dynamodb(number, image, name="INSERT"):
    change = {"SequenceNumber": f"s-{number}", "Keys": {"id": {"S": "a"}}, "StreamViewType": "NEW_IMAGE"}
    if image is not None:
        change["NewImage"] = image
    return {"eventID": "e", "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change,
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/t/stream/x"}


def sns(number, request):
    return {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:us-east-1:1:t:x",
            "Sns": {"Type": "Notification", "MessageId": f"n-{number}", "Message": json.dumps(request), "Subject": None}}


def bridge(detail):
    return {"version": "0", "id": "e-1", "detail-type": "Row", "source": "my.app", "account": "1", "resources": [],
            "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "detail": detail}


def numbers(*values):
    return {"features": {"L": [{"N": str(value)} for value in values]}, "id": {"S": "a"}, "seen": {"BOOL": True},
            "none": {"NULL": True}, "tags": {"SS": ["x"]}}


@pytest.fixture
def function(runtime, model):
    return runtime().start("--model", model(LINEAR))


def ask(function, event):
    """The whole reply to an event that did not fail: results, and the names of what failed."""
    request_id = function.send(event)
    path, _, reply, _ = function.answer()
    assert path == f"/runtime/invocation/{request_id}/response", reply
    assert set(reply) == {"results", "batchItemFailures"}
    assert all(set(item) == {"itemIdentifier"} for item in reply["batchItemFailures"])
    return reply["results"], [item["itemIdentifier"] for item in reply["batchItemFailures"]]


def fail(function, event):
    """The error of an event that failed."""
    request_id = function.send(event)
    path, headers, reply, _ = function.answer()
    assert path == f"/runtime/invocation/{request_id}/error", reply
    assert reply["errorType"] == headers["Lambda-Runtime-Function-Error-Type"] == "Function.RecordFailed"
    return reply["errorMessage"]


@pytest.mark.parametrize("records", [
    [sqs(i, GOOD) for i in range(10)], [kinesis(i, GOOD) for i in range(10)], [sns(0, GOOD)],
    [dynamodb(i, numbers(1, 2, 3)) for i in range(10)]], ids=["sqs", "kinesis", "sns", "dynamodb"])
def test_all_good(function, records):
    assert ask(function, {"Records": records}) == ([ANSWER] * len(records), [])


def test_event_bridge(function):
    assert ask(function, bridge(GOOD)) == ([ANSWER], [])
    assert "e-1" in fail(function, bridge(BAD)) and "e-1" in fail(function, bridge("text"))
    assert ask(function, bridge({"instances": [[1, 2, 3]] * 2})) == ([{"predictions": [4.75] * 2}], [])


def test_a_queue_names_what_failed(function):
    results, failed = ask(function, {"Records": [sqs(0, GOOD), sqs(1, BAD), sqs(2, "{"), sqs(3, ""), sqs(4, GOOD)]})
    assert failed == ["m-1", "m-2", "m-3"]
    assert results[0] == results[4] == ANSWER
    assert all(set(result) == {"error"} for result in results[1:4])
    _, errors, _ = function.stop()
    assert errors.count("WARN RequestId: ") == 3 and "record m-2 of aws:sqs: status 400" in errors


@pytest.mark.parametrize("make", [lambda i, r: sqs(i, r, "q.fifo"), kinesis,
                                  lambda i, r: dynamodb(i, numbers(*r["features"]))], ids=["fifo", "kinesis", "dynamodb"])
def test_order_keeps_what_follows_a_failure_back(function, make):
    events = {"Records": [make(i, BAD if i == 2 else GOOD) for i in range(6)]}
    results, failed = ask(function, events)
    assert failed == [event.get("messageId", f"s-{i}") for i, event in enumerate(events["Records"]) if i >= 2]
    assert results[:2] == [ANSWER] * 2 and "error" in results[2] and results[3:] == [None] * 3


def test_data_that_is_no_request(function):
    for data in ("!!!!", "AA", "", base64.b64encode(b"\xff\x00").decode()):
        results, failed = ask(function, {"Records": [kinesis(0, data)]})
        assert failed == ["s-0"] and "error" in results[0]


def test_attributes_of_dynamodb(function):
    image = {"features": {"L": [{"N": "1"}, {"N": "2.0"}, {"N": "3e0"}]}, "map": {"M": {"a": {"L": [{"M": {}}]}}}}
    removed = dynamodb(1, None, "REMOVE")
    assert ask(function, {"Records": [dynamodb(0, image, "MODIFY"), removed]}) == ([ANSWER, None], [])
    for bad in ({"N": "x"}, {"N": "[1]"}, {"N": 1}, {"L": [1]}, {"L": [{"N": "1"}] * 2}, {}, 1,
                {"N": "1", "S": "2"}, {"L": [{"S": "1"}] * 3}):
        results, failed = ask(function, {"Records": [dynamodb(0, {"features": bad})]})
        assert failed == ["s-0"] and "error" in results[0], bad


def test_a_topic_fails_as_a_whole(function):
    """There is nobody to tell of parts: the error lets Lambda try again, or send it to a dead-letter queue."""
    message = fail(function, {"Records": [sns(7, BAD)]})
    assert "n-7" in message and "aws:sns" in message and "the model takes 3" in message


@pytest.mark.parametrize("event, words", [
    ({"Records": [{"eventSource": "aws:codecommit"}]}, ["aws:codecommit", "not supported"]),
    ({"eventSource": "aws:kafka", "records": {"t-0": []}}, ["aws:kafka", "not supported"]),
    ({"eventSource": "aws:mq", "messages": []}, ["aws:mq"]),
    ({"Records": [sqs(0, GOOD), {"x": 1}]}, ["no source"]),
    ({"Records": [{**sqs(0, GOOD), "messageId": None}]}, ["messageId"]),
    ({"Records": [{**kinesis(0, GOOD), "kinesis": 5}]}, ["sequenceNumber"]),
], ids=lambda value: None)
def test_what_is_not_supported_is_named(function, event, words):
    message = fail(function, event)
    assert all(word in message for word in words), message
    assert function.invoke(GOOD) == (200, ANSWER)


@pytest.mark.parametrize("record", [
    {"eventSource": "aws:sqs", "messageId": "a"}, {"eventSource": "aws:sqs", "messageId": "a", "body": 5},
    {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "a"}},
    {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "a", "data": ["x"]}},
    {"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "a"}},
    {"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "a", "NewImage": []}}])
def test_a_record_without_a_payload(function, record):
    results, failed = ask(function, {"Records": [record]})
    assert failed == ["a"] and "is a request" in results[0]["error"]


def test_events_that_only_look_like_records(function):
    for event in ({"Records": []}, {"Records": 5}, {"Records": [5]}, {"Records": [{}]}, {"detail-type": "x"}):
        assert function.invoke(event)[0] == 400
    assert function.invoke({**GOOD, "Records": []}) == (200, ANSWER)


def test_a_thousand_records_in_a_row(function):
    records = [sqs(i, {"features": [i, 0, 0]}) if i % 3 else sqs(i, BAD) for i in range(1000)]
    results, failed = ask(function, {"Records": records})
    assert failed == [f"m-{i}" for i in range(0, 1000, 3)]
    assert [r["prediction"] for i, r in enumerate(results) if i % 3] == [i / 2 + 0.75 for i in range(1000) if i % 3]
    assert function.requests[0][1] == f"{VERSION}/runtime/invocation/next"
