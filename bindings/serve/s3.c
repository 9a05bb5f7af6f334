/* Events of S3 answered: the object is fetched, predicted from, and its answer put. */
#define _GNU_SOURCE
#include "s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "https.h"

/* Answers go to a bucket of their own, which is another host. */
typedef struct connections {
    infer_https *from, *to;
} connections;

static bool send(infer_serve *serve, infer_https *client, const infer_s3_object *object,
                 const char *method, const infer_serve_body *body, infer_https_answer *answer,
                 infer_serve_error *error) {
    infer_s3_place place;
    if (!infer_s3_find(object, &place, error))
        return false;
    char *headers =
        infer_s3_headers(&place, method, body ? body->type : NULL, body ? body->data : NULL,
                         body ? body->size : 0, time(NULL), error);
    char *target = NULL;
    bool good = headers && asprintf(&target, "%s%s%s", place.target, *place.query ? "?" : "",
                                    place.query) >= 0;
    if (headers && !good)
        infer_serve_fail(error, 503, "no memory is left");
    if (good) {
        const infer_https_request request = {.tls = place.tls,
                                             .host = place.host,
                                             .port = place.port,
                                             .method = method,
                                             .target = target,
                                             .headers = headers,
                                             .body = body ? body->data : NULL,
                                             .size = body ? body->size : 0,
                                             .most = serve->options.max_body,
                                             .timeout_ms = serve->options.timeout_ms};
        good = infer_https_exchange(client, &request, answer, error);
        free(target);
    }
    free(headers);
    return good;
}

/* S3's own word for what went wrong, from <Code> in its answer. */
static void read_code(const infer_https_answer *answer, char code[64]) {
    const char *start = memmem(answer->body, answer->size, "<Code>", 6);
    size_t size =
        start ? strspn(start + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") : 0;
    snprintf(code, 64, "%.*s", (int)(size < 60 ? size : 60), start ? start + 6 : "");
}

static bool check(infer_https_answer *answer, const char *forbidden, infer_serve_error *error) {
    char code[64];
    if (answer->status / 100 == 2)
        return true;
    read_code(answer, code);
    const char *why = answer->status == 403   ? forbidden
                      : answer->status == 404 ? "it is not there: "
                                              : "";
    infer_serve_fail(error, answer->status < 400 || answer->status > 499 ? 502 : answer->status,
                     "%sS3 answered %d %s", why, answer->status, code);
    free(answer->body);
    return false;
}

/* ---- fetching ---- */

/* What bytes are that S3 was not told about. */
static const char *guess_type(const char *key, const infer_https_answer *answer) {
    static const char *const types[][2] = {
        {".csv", "text/csv"},   {".txt", "text/plain"},  {".npy", "application/x-npy"},
        {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".png", "image/png"},
    };
    if (*answer->type && strcasecmp(answer->type, "binary/octet-stream") != 0 &&
        strcasecmp(answer->type, "application/octet-stream") != 0)
        return answer->type;
    if (answer->size > 3 &&
        (memcmp(answer->body, "\xff\xd8\xff", 3) == 0 || memcmp(answer->body, "\x89PNG", 4) == 0))
        return "image/png"; /* images are told apart by their first bytes */
    size_t size = strlen(key);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t end = strlen(types[i][0]);
        if (size >= end && strcasecmp(key + size - end, types[i][0]) == 0)
            return types[i][1];
    }
    return "";
}

static bool respond_to(infer_serve *serve, const infer_serve_call *call, infer_https *client,
                       const infer_s3_object *object, infer_serve_reply *reply) {
    infer_https_answer answer;
    infer_serve_error error = {0};
    if (send(serve, client, object, "GET", NULL, &answer, &error) &&
        check(&answer, "it may not be read, or is not there: ", &error)) {
        if (*answer.encoding && strcasecmp(answer.encoding, "identity") != 0)
            infer_serve_fail(&error, 415, "it is encoded as %s", answer.encoding);
        infer_serve_body body = {guess_type(object->key, &answer), answer.body, answer.size};
        bool good = error.status ? infer_serve_refuse(&error, reply)
                                 : infer_serve_respond(serve, call, &body, reply);
        free(answer.body);
        return good;
    }
    return infer_serve_refuse(&error, reply);
}

/* ---- answers ---- */

/* Takes the text of the reply to its place; the reply then tells where that is. */
static bool put_answer(infer_serve *serve, infer_https *client, const infer_s3_object *object,
                       infer_serve_reply *reply) {
    infer_s3_object output;
    infer_https_answer answer;
    infer_serve_error error = {0}, why = {0};
    infer_serve_body body = {"application/json", reply->text, reply->size};
    infer_serve_text text = {0};
    char *url = NULL;
    bool has_place = infer_s3_output(serve->options.s3_output, object, &output);
    if (!getenv("AWS_REGION"))
        strcpy(output.region, object->region);
    if (!has_place)
        infer_serve_fail(&error, 400, "its answer has no place in %.150s",
                         serve->options.s3_output);
    else if (!send(serve, client, &output, "PUT", &body, &answer, &why) ||
             !check(&answer, "writing is not allowed: ", &why))
        infer_serve_fail(&error, why.status, "its answer was not put to s3://%.63s: %.180s",
                         output.bucket, why.reason);
    else
        free(answer.body);
    free(reply->text);
    if (error.status)
        return infer_serve_refuse(&error, reply);
    json_t *json = json_object();
    if (asprintf(&url, "s3://%s/%s", output.bucket, output.key) >= 0 &&
        infer_serve_put(json, "output", infer_serve_string(url, strlen(url))))
        infer_serve_write(&text, json);
    free(url);
    json_decref(json);
    *reply = (infer_serve_reply){.text = text.data, .size = text.size};
    if (text.size && !text.failed)
        return true;
    free(text.data);
    *reply = (infer_serve_reply){0};
    infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
    return false;
}

/* ---- events ---- */

static bool connect_to(infer_serve *serve) {
    connections *to = serve->connections;
    if (!to)
        serve->connections = to = calloc(1, sizeof *to);
    if (to && !to->from)
        to->from = infer_https_new();
    if (to && !to->to)
        to->to = infer_https_new();
    return to && to->from && to->to;
}

static void close_connections(void *connections_void) {
    connections *all = connections_void;
    infer_https_free(all->from);
    infer_https_free(all->to);
    free(all);
}

/* An error that says whose it is. */
static bool name_error(const infer_s3_object *object, infer_serve_reply *reply) {
    infer_serve_error named;
    infer_serve_fail(&named, reply->error.status, "s3://%.63s/%.80s%s: %.140s", object->bucket,
                     object->key, strlen(object->key) > 80 ? "..." : "", reply->error.reason);
    infer_serve_repair(named.reason, strlen(named.reason));
    free(reply->text);
    return infer_serve_refuse(&named, reply);
}

static bool respond(infer_serve *serve, const infer_serve_call *call, const json_t *record,
                    infer_serve_reply *reply) {
    const char *output = serve->options.s3_output;
    infer_s3_object object;
    infer_serve_error error = {0};
    infer_s3_news news = infer_s3_read(record, &object, &error);
    if (news == INFER_S3_NEW && output && infer_s3_is_output(output, &object)) {
        infer_serve_log(INFER_SERVE_INFO, call,
                        "s3://%s/%.150s is an answer itself and is passed over", object.bucket,
                        object.key);
        news = INFER_S3_OTHER;
    }
    if (news == INFER_S3_NEW && !connect_to(serve))
        infer_serve_fail(&error, 503, "no memory is left");
    if (error.status)
        return infer_serve_refuse(&error, reply);
    if (news == INFER_S3_OTHER) {
        *reply = (infer_serve_reply){.text = strdup("null"), .size = 4};
        if (!reply->text)
            infer_serve_fail(&reply->error, 503, "no memory is left");
        return reply->text != NULL;
    }
    const connections *to = serve->connections;
    bool good = respond_to(serve, call, to->from, &object, reply);
    if (good && !reply->error.status && output)
        good = put_answer(serve, to->to, &object, reply);
    return good && reply->error.status ? name_error(&object, reply) : good;
}

const infer_serve_objects infer_s3_objects = {respond, close_connections};
