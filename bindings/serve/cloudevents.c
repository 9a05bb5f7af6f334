/* CloudEvents 1.0 over HTTP: binary, structured and batched.
 *
 * The data is the request. The answer's event has the type libinfer.prediction, the model's name as
 * its source, the request's number as its id, and the id of what it answers as causationid. An
 * event of a batch that cannot be answered has the reason in its answer. */
#include "cloudevents.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core.h"
#include "http_common.h"

#define STRUCTURED "application/cloudevents"
#define BATCHED    "application/cloudevents-batch"
#define TYPE       "libinfer.prediction"

typedef struct event {
    char id[200];          /* of the event that is answered */
    infer_serve_body body; /* its data */
    json_t *json;          /* its data as JSON, owned; else the body counts */
    char *bytes;           /* what the body lies in, owned */
} event;

#define FAIL(...) (infer_serve_fail(error, 400, __VA_ARGS__), false)

static void drop(event *e) {
    json_decref(e->json);
    free(e->bytes);
}

/* ---- attributes ---- */

static bool has_type(const infer_http_request *request, const char *type) {
    size_t size = strlen(type);
    const char *rest = request->body.type + size;
    return strncasecmp(request->body.type, type, size) == 0 &&
           (!*rest || *rest == ';' || *rest == ' ' || *rest == '+');
}

bool infer_cloudevents_is(const infer_http_request *request) {
    return has_type(request, BATCHED) || has_type(request, STRUCTURED) ||
           infer_http_header(request, "ce-specversion") != NULL;
}

static int hex(char c) {
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* Some clients percent-encode attributes, others send them raw. */
static void decode_percent(char *to, size_t room, const char *from) {
    size_t size = 0;
    for (; *from && size + 1 < room; from++) {
        int high = *from == '%' ? hex(from[1]) : -1, low = high >= 0 ? hex(from[2]) : -1;
        to[size++] = low < 0 ? *from : (char)(high << 4 | low);
        from += low < 0 ? 0 : 2;
    }
    to[size] = 0;
}

/* What every event has to say of itself. */
static bool check(const char *id, const char *source, const char *version, const char *type,
                  infer_serve_error *error) {
    const struct {
        const char *name, *value;
    } needed[] = {{"id", id}, {"source", source}, {"specversion", version}, {"type", type}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value || !*needed[i].value)
            return FAIL("the event has no %s", needed[i].name);
    return strcmp(version, "1.0") == 0 ||
           FAIL("the event's specversion is %.20s, not 1.0", version);
}

/* ---- data ---- */

static bool decode(event *e, const char *text, size_t size, infer_serve_error *error) {
    free(e->bytes);
    e->bytes = malloc(size + 1);
    if (!e->bytes)
        return infer_serve_fail(error, 503, "no memory is left"), false;
    if (!infer_serve_base64(text, size, e->bytes, &e->body.size))
        return FAIL("the event's data is not valid base64");
    e->body.data = e->bytes;
    return true;
}

/* Pub/Sub's events have the message inside their data, in base64. */
static bool open_message(event *e, infer_serve_error *error) {
    const json_t *message = json_object_get(e->json, "message");
    const json_t *data = json_object_get(message, "data");
    if (!json_is_string(data))
        return true;
    bool good = decode(e, json_string_value(data), json_string_length(data), error);
    e->body.type = "";
    json_decref(e->json);
    e->json = NULL;
    return good;
}

static bool read_binary(const infer_http_request *request, const infer_serve *serve, event *e,
                        infer_serve_error *error) {
    const char *id = infer_http_header(request, "ce-id");
    if (!check(id, infer_http_header(request, "ce-source"),
               infer_http_header(request, "ce-specversion"), infer_http_header(request, "ce-type"),
               error))
        return false;
    decode_percent(e->id, sizeof e->id, id);
    e->body = request->body;
    if (!e->body.size)
        return FAIL("the event has no data");
    if (infer_serve_is_json(&e->body)) {
        e->json = infer_serve_read(serve, e->body.data, e->body.size, error);
        return e->json && open_message(e, error);
    }
    return true;
}

/* Borrows from the JSON, which outlives the event. */
static bool read_structured(const json_t *json, event *e, infer_serve_error *error) {
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *type = json_string_value(json_object_get(json, "datacontenttype"));
    json_t *data = json_object_get(json, "data"), *coded = json_object_get(json, "data_base64");
    if (!json_is_object(json))
        return FAIL("an event is not a JSON object");
    if (!check(id, json_string_value(json_object_get(json, "source")),
               json_string_value(json_object_get(json, "specversion")),
               json_string_value(json_object_get(json, "type")), error))
        return false;
    snprintf(e->id, sizeof e->id, "%s", id);
    e->body.type = type ? type : "application/json";
    if (json_is_string(coded))
        return decode(e, json_string_value(coded), json_string_length(coded), error);
    if (json_is_object(data)) {
        e->json = json_incref(data);
        return open_message(e, error);
    }
    if (!json_is_string(data))
        return FAIL("the event's data is neither an object nor a text");
    e->body.data = json_string_value(data);
    e->body.size = json_string_length(data);
    return true;
}

/* ---- answers ---- */

static bool respond(infer_serve *serve, const infer_http_request *request, event *e,
                    infer_serve_reply *made) {
    infer_serve_call call = request->call;
    json_t *json = e->json;
    e->json = NULL;
    call.body = NULL;
    return json ? infer_serve_respond_json(serve, &call, json, made)
                : infer_serve_respond(serve, &call, &e->body, made);
}

/* An event around an answer. */
static bool write_event(infer_serve_text *to, const infer_serve *serve, const char *id,
                        const event *e, const infer_serve_reply *made) {
    json_t *json = json_object();
    bool good =
        infer_serve_put(json, "specversion", json_string("1.0")) &&
        infer_serve_put(json, "type", json_string(TYPE)) &&
        infer_serve_put(json, "source", infer_serve_string(serve->name, strlen(serve->name))) &&
        infer_serve_put(json, "id", json_string(id)) &&
        infer_serve_put(json, "causationid", infer_serve_string(e->id, strlen(e->id))) &&
        infer_serve_put(json, "datacontenttype", json_string("application/json"));
    if (good) {
        infer_serve_write(to, json);
        if (!to->failed)
            to->size--; /* the closing brace: the answer is JSON already */
        infer_serve_append(to, ",\"data\":", 8);
        infer_serve_append(to, made->text, made->size);
        infer_serve_append(to, "}", 1);
    }
    json_decref(json);
    return good && !to->failed;
}

static void set_header(infer_http_reply *reply, size_t i, const char *name, const char *value) {
    static const char digits[] = "0123456789ABCDEF";
    char *to = reply->headers[i].value;
    size_t room = sizeof reply->headers[i].value, size = 0;
    reply->headers[i].name = name;
    for (; *value && size + 4 < room; value++) {
        unsigned char c = (unsigned char)*value;
        if (c > 0x20 && c < 0x7f && c != '"' && c != '%') {
            to[size++] = *value;
        } else {
            to[size++] = '%';
            to[size++] = digits[c >> 4];
            to[size++] = digits[c & 15];
        }
    }
    to[size] = 0;
}

static void answer_binary(infer_serve *serve, const infer_http_request *request,
                          infer_http_reply *reply) {
    infer_serve_error error = {0};
    infer_serve_reply made;
    event e = {0};
    bool is_read = read_binary(request, serve, &e, &error);
    infer_http_take(
        reply, is_read ? respond(serve, request, &e, &made) : infer_serve_refuse(&error, &made),
        &made);
    if (is_read && !reply->status) {
        set_header(reply, 0, "ce-specversion", "1.0");
        set_header(reply, 1, "ce-type", TYPE);
        set_header(reply, 2, "ce-source", serve->name);
        set_header(reply, 3, "ce-id", request->call.id);
        set_header(reply, 4, "ce-causationid", e.id);
    }
    drop(&e);
}

/* One event: its answer's event, or its error as it is. */
static bool answer_one(infer_serve *serve, const infer_http_request *request, const json_t *json,
                       const char *id, bool in_batch, infer_serve_text *to,
                       infer_serve_error *error) {
    infer_serve_reply made = {0};
    event e = {0};
    bool good = read_structured(json, &e, error);
    if (good) {
        good = respond(serve, request, &e, &made);
        *error = made.error;
        if (good && (in_batch || !error->status))
            good = write_event(to, serve, id, &e, &made) ||
                   (infer_serve_fail(error, 503, "no memory is left"), false);
    }
    free(made.text);
    drop(&e);
    return good && (in_batch || !error->status);
}

static void answer_batch(infer_serve *serve, const infer_http_request *request,
                         const json_t *events, infer_serve_text *to, infer_serve_error *error) {
    infer_serve_append(to, "[", 1);
    for (size_t i = 0; i < json_array_size(events); i++) {
        char id[200];
        snprintf(id, sizeof id, "%s-%zu", request->call.id, i);
        infer_serve_append(to, ",", i > 0);
        if (!answer_one(serve, request, json_array_get(events, i), id, true, to, error))
            return;
        error->status = 0;
    }
    infer_serve_append(to, "]", 1);
}

void infer_cloudevents_answer(void *user, infer_serve *serve, const infer_http_request *request,
                              infer_http_reply *reply) {
    infer_serve_error error = {0};
    infer_serve_text text = {0};
    bool is_batch = has_type(request, BATCHED);
    (void)user;
    if (!is_batch && !has_type(request, STRUCTURED)) {
        answer_binary(serve, request, reply);
        return;
    }
    json_t *json = infer_serve_read(serve, request->body.data, request->body.size, &error);
    if (json && is_batch && !json_is_array(json))
        infer_serve_fail(&error, 400, "the batch is not a list of events");
    else if (json && is_batch)
        answer_batch(serve, request, json, &text, &error);
    else if (json)
        answer_one(serve, request, json, request->call.id, false, &text, &error);
    json_decref(json);
    if (!error.status && text.failed)
        infer_serve_fail(&error, 503, "no memory is left");
    if (error.status) {
        free(text.data);
        infer_http_fail(reply, error.status, "%s", error.reason);
        return;
    }
    reply->type = is_batch ? BATCHED "+json; charset=utf-8" : STRUCTURED "+json; charset=utf-8";
    reply->data = text.data;
    reply->size = text.size;
}
