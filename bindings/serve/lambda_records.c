/* AWS's events of records: each payload is a request of its own, and what failed is said as the
 * source wants to hear it. */
#define _GNU_SOURCE
#include "lambda_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sources ---- */

typedef enum encoding {
    TEXT,
    BASE64,
    OBJECT,
    ATTRIBUTES,
    NAMES
} encoding; /* NAMES: of S3's objects */

/* Where a source keeps its payload and what it calls a record. */
typedef struct source {
    const char *name;
    const char *group, *payload; /* members; group NULL: the record itself */
    encoding encoding;
    const char *id; /* beside the payload or in the record */
    bool partial;   /* takes batchItemFailures; else a failure is one of the invocation */
    bool ordered;   /* what follows a failure fails as well */
} source;

static const source sources[] = {
    {"aws:sqs", NULL, "body", TEXT, "messageId", true, false},
    {"aws:kinesis", "kinesis", "data", BASE64, "sequenceNumber", true, true},
    {"aws:dynamodb", "dynamodb", "NewImage", ATTRIBUTES, "SequenceNumber", true, true},
    {"aws:sns", "Sns", "Message", TEXT, "MessageId", false, false},
    {"aws:s3", NULL, "s3", NAMES, NULL, false, false},
};
#define SOURCES (sizeof sources / sizeof *sources)

/* Sources that send one event without a list around it. */
static const source bridge = {"EventBridge", NULL, "detail", OBJECT, "id", false, false};
static const source object_bridge = {"EventBridge", NULL, "detail", NAMES, "id", false, false};
static const source object_test = {"Amazon S3", NULL, NULL, NAMES, NULL, false, false};

static bool is_bridge(const json_t *event) {
    return json_is_string(json_object_get(event, "detail-type")) &&
           json_object_get(event, "detail");
}

/* The name of a record's source, NULL where it is none. SNS spells the member in its own way. */
static const char *source_name(const json_t *record) {
    const char *name = json_string_value(json_object_get(record, "eventSource"));
    return name ? name : json_string_value(json_object_get(record, "EventSource"));
}

static bool says(const json_t *event, const char *member, const char *what) {
    const char *text = json_string_value(json_object_get(event, member));
    return text && strcmp(text, what) == 0;
}

/* What S3 sends to a queue or a topic when it is told of it. */
static bool is_test(const json_t *event) {
    return says(event, "Event", "s3:TestEvent") && says(event, "Service", "Amazon S3");
}

/* Whether an event names objects: S3's own, EventBridge's, or the test. */
static bool names_objects(const json_t *event) {
    return says(json_array_get(json_object_get(event, "Records"), 0), "eventSource", "aws:s3") ||
           (is_bridge(event) && says(event, "source", "aws.s3")) || is_test(event);
}

bool infer_lambda_is_records(const json_t *event) {
    return source_name(json_array_get(json_object_get(event, "Records"), 0)) ||
           source_name(event) || is_bridge(event) || is_test(event);
}

/* The source of an event that is no list, NULL for others. */
static const source *single_source(const json_t *event) {
    if (is_bridge(event))
        return names_objects(event) ? &object_bridge : &bridge;
    return is_test(event) ? &object_test : NULL;
}

static const source *find_source(const char *name) {
    for (size_t i = 0; i < SOURCES; i++)
        if (strcmp(sources[i].name, name) == 0)
            return &sources[i];
    return NULL;
}

static bool ends_in(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static bool is_ordered(const source *from, const json_t *record) {
    const char *arn = json_string_value(json_object_get(record, "eventSourceARN"));
    return from->ordered || (arn && ends_in(arn, ".fifo"));
}

/* ---- payloads ---- */

/* DynamoDB's {"N":"1.5"}, {"S":"text"}, {"L":[...]}, {"M":{...}} ... as plain JSON. Recursion is as
 * deep as the event, which the limits of its reading bound. */
static json_t *plain(const json_t *typed) {
    const char *type = json_object_iter_key(json_object_iter((json_t *)typed));
    json_t *value = json_object_iter_value(json_object_iter((json_t *)typed)), *item;
    const char *key;
    size_t i;
    if (!type || json_object_size(typed) != 1)
        return NULL;
    if (strcmp(type, "N") == 0) {
        json_t *number = json_is_string(value)
                             ? json_loads(json_string_value(value), JSON_DECODE_ANY, NULL)
                             : NULL;
        if (json_is_number(number))
            return number;
        json_decref(number);
        return NULL;
    }
    if (strcmp(type, "NULL") == 0)
        return json_null();
    if (strcmp(type, "L") == 0 && json_is_array(value)) {
        json_t *list = json_array();
        json_array_foreach(value, i, item) if (!infer_serve_add(list, plain(item))) {
            json_decref(list);
            return NULL;
        }
        return list;
    }
    if (strcmp(type, "M") == 0 && json_is_object(value)) {
        json_t *object = json_object();
        json_object_foreach(value, key, item) if (!infer_serve_put(object, key, plain(item))) {
            json_decref(object);
            return NULL;
        }
        return object;
    }
    /* S, BOOL, and what no request has. */
    return json_incref(value);
}

static json_t *plain_image(const json_t *image) {
    json_t *object = json_object(), *item;
    const char *key;
    json_object_foreach((json_t *)image, key,
                        item) if (!infer_serve_put(object, key, plain(item))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static bool respond_bytes(infer_serve *serve, const infer_serve_call *call, const json_t *text,
                          infer_serve_reply *reply) {
    infer_serve_body body = {.type = "", .size = json_string_length(text)};
    infer_serve_error error = {0};
    char *bytes = malloc(body.size + 1);
    if (!bytes)
        infer_serve_fail(&error, 503, "no memory is left");
    else if (!infer_serve_base64(json_string_value(text), body.size, bytes, &body.size))
        infer_serve_fail(&error, 400, "the data is not valid base64");
    body.data = bytes;
    bool good = error.status ? infer_serve_refuse(&error, reply)
                             : infer_serve_respond(serve, call, &body, reply);
    free(bytes);
    return good;
}

/* ---- objects ---- */

/* Answers one record that names an object. */
static bool respond_object(infer_serve *serve, const infer_serve_call *call, const json_t *record,
                           infer_serve_reply *reply) {
    infer_serve_error error;
    if (serve->options.objects)
        return serve->options.objects->respond(serve, call, record, reply);
    infer_serve_fail(&error, 501,
                     "this program fetches no objects of S3: infer-serve does, with TLS");
    return infer_serve_refuse(&error, reply);
}

/* Answers an event of objects that came in a message: as an event of its own, up to the first
 * record that fails. */
static bool respond_objects(infer_serve *serve, const infer_serve_call *call, const json_t *event,
                            infer_serve_reply *reply) {
    json_t *records = json_object_get(event, "Records"), *record;
    char *text = NULL;
    size_t size, i;
    if (!json_is_array(records))
        return respond_object(serve, call, event, reply);
    FILE *to = open_memstream(&text, &size);
    bool good = to != NULL;
    *reply = (infer_serve_reply){0};
    if (good)
        fputs("{\"results\":[", to);
    json_array_foreach(records, i, record) {
        free(reply->text);
        good = good && respond_object(serve, call, record, reply);
        if (!good || reply->error.status)
            break;
        fputs(i ? "," : "", to);
        fwrite(reply->text, 1, reply->size, to);
    }
    if (to) {
        fputs("]}", to);
        bool failed = ferror(to);
        good = fclose(to) == 0 && !failed && good;
    }
    if (good && !reply->error.status) {
        free(reply->text);
        *reply = (infer_serve_reply){.text = text, .size = size};
        return true;
    }
    free(text);
    if (good)
        return true;
    if (!reply->error.status)
        infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
    return false;
}

/* Before a message is read twice. */
static bool mentions_objects(const infer_serve_body *body) {
    static const char *const words[] = {"aws:s3", "aws.s3", "s3:TestEvent"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(body->data, body->size, words[i], strlen(words[i])))
            return true;
    return false;
}

/* A message: a request, or an event of objects, perhaps in what a topic puts around it. */
static bool respond_message(infer_serve *serve, const infer_serve_call *call,
                            const infer_serve_body *body, infer_serve_reply *reply) {
    infer_serve_error error = {0};
    json_t *event = body->size <= serve->options.max_body && mentions_objects(body)
                        ? infer_serve_read(serve, body->data, body->size, &error)
                        : NULL;
    const json_t *message =
        says(event, "Type", "Notification") ? json_object_get(event, "Message") : NULL;
    const infer_serve_body inner = {"", json_string_value(message), json_string_length(message)};
    bool good = names_objects(event) ? respond_objects(serve, call, event, reply)
                : inner.data && inner.size < body->size
                    ? respond_message(serve, call, &inner, reply)
                    : infer_serve_respond(serve, call, body, reply);
    json_decref(event);
    return good;
}

static bool respond_record(infer_serve *serve, const infer_serve_call *call, const source *from,
                           const json_t *record, infer_serve_reply *reply) {
    const json_t *holder = from->group ? json_object_get(record, from->group) : record;
    json_t *payload = from->payload ? json_object_get(holder, from->payload) : NULL;
    infer_serve_error error;
    if (from->encoding == NAMES)
        return respond_object(serve, call, record, reply);
    if (from->encoding == TEXT && json_is_string(payload)) {
        infer_serve_body body = {"", json_string_value(payload), json_string_length(payload)};
        return respond_message(serve, call, &body, reply);
    }
    if (from->encoding == BASE64 && json_is_string(payload))
        return respond_bytes(serve, call, payload, reply);
    if (from->encoding == OBJECT && json_is_object(payload))
        return infer_serve_respond_json(serve, call, json_incref(payload), reply);
    if (from->encoding == ATTRIBUTES && json_is_object(payload)) {
        json_t *request = plain_image(payload);
        if (request)
            return infer_serve_respond_json(serve, call, request, reply);
    }
    infer_serve_fail(&error, 400, "the record has no %s that is a request", from->payload);
    return infer_serve_refuse(&error, reply);
}

/* ---- the answer ---- */

/* What was made of the records so far. */
typedef struct batch {
    FILE *text;
    json_t *failures;
    size_t rows;
    bool failed; /* one of the records */
} batch;

static const char *id_of(const source *from, const json_t *record) {
    const json_t *holder = from->group ? json_object_get(record, from->group) : record;
    const char *id = from->id ? json_string_value(json_object_get(holder, from->id)) : NULL;
    return id ? id : "";
}

/* A record that was removed from its table has no image and nothing to answer. */
static bool is_removal(const source *from, const json_t *record) {
    const char *what = json_string_value(json_object_get(record, "eventName"));
    return from->encoding == ATTRIBUTES && what && strcmp(what, "REMOVE") == 0;
}

static bool add_failure(batch *to, const char *id) {
    return infer_serve_add(to->failures, json_pack("{s:s}", "itemIdentifier", id));
}

/* Answers one record into the batch; on failure of the invocation the error is set. */
static bool add_record(infer_serve *serve, const infer_serve_call *call, const source *from,
                       const json_t *record, batch *to, infer_serve_error *error) {
    infer_serve_reply reply = {0};
    const char *id = id_of(from, record);
    bool skips = (to->failed && is_ordered(from, record)) || is_removal(from, record);
    fputs(to->rows++ ? "," : "", to->text);
    if (from->partial && !*id)
        return infer_serve_fail(error, 400, "a record of %s has no %s", from->name, from->id),
               false;
    if (skips) {
        fputs("null", to->text);
        return !to->failed || is_removal(from, record) || add_failure(to, id);
    }
    if (!respond_record(serve, call, from, record, &reply)) {
        *error = reply.error;
        return false;
    }
    fwrite(reply.text, 1, reply.size, to->text);
    free(reply.text);
    if (!reply.error.status)
        return true;
    to->failed = true;
    infer_serve_log(reply.error.status < 500 ? INFER_SERVE_WARN : INFER_SERVE_ERROR, call,
                    "record %.100s of %s: status %d: %s", id, from->name, reply.error.status,
                    reply.error.reason);
    if (from->partial)
        return add_failure(to, id);
    infer_serve_fail(error, reply.error.status, "record %.40s%sof %s: %.230s", id, *id ? " " : "",
                     from->name, reply.error.reason);
    return false;
}

static bool add_all(infer_serve *serve, const infer_serve_call *call, const json_t *event,
                    batch *to, infer_serve_error *error) {
    json_t *records = json_object_get(event, "Records"), *record;
    size_t i;
    const source *single = single_source(event);
    if (single)
        return add_record(serve, call, single, event, to, error);
    if (!json_is_array(records))
        return infer_serve_fail(error, 400, "events of %.100s are not supported",
                                source_name(event)),
               false;
    json_array_foreach(records, i, record) {
        const char *name = source_name(record);
        const source *from = name ? find_source(name) : NULL;
        if (!from)
            return infer_serve_fail(error, 400, "records of %.100s are not supported",
                                    name ? name : "no source"),
                   false;
        if (!add_record(serve, call, from, record, to, error))
            return false;
    }
    return true;
}

bool infer_lambda_respond_records(infer_serve *serve, const infer_serve_call *call,
                                  const json_t *event, infer_serve_reply *reply,
                                  const char **error_type) {
    batch to = {.failures = json_array()};
    *reply = (infer_serve_reply){0};
    to.text = to.failures ? open_memstream(&reply->text, &reply->size) : NULL;
    bool good = to.text != NULL;
    if (good) {
        fputs("{\"results\":[", to.text);
        good = add_all(serve, call, event, &to, &reply->error);
        fputs("],\"batchItemFailures\":", to.text);
        good = json_dumpf(to.failures, to.text, JSON_COMPACT) == 0 && good;
        fputc('}', to.text);
        good = !ferror(to.text) && good;
        good = fclose(to.text) == 0 && good;
    }
    json_decref(to.failures);
    if (good)
        return true;
    free(reply->text);
    reply->text = NULL;
    *error_type = "Function.RecordFailed";
    if (!reply->error.status)
        infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
    return false;
}
