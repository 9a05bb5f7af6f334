/* The core of the handlers: decoding, events, answers, memory that fails, bytes that are damaged.
 */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing.h"
#include "lambda_event.h"
#include "malformed.h"

/* ---- models ---- */

static const double coefficients[] = {0.1, -0.25, 3, 0.7, 1e-3, -2, 0.3, 0.9, -1.5};
static const double intercepts[] = {0.5, -0.1, 0.2};
static const int64_t ints[] = {-7, 1};
static const char *const strings[] = {"setosa", "versicolor", "virginica"};
static const char *const names[] = {"sepal", "petal", "width"};
static const double row[] = {1.5, -2, 0.25};

enum { REGRESSION, TWO_OUTPUTS, BINARY, NAMED, KINDS };

static infer_serve *open_model(int kind, infer_serve_handler handler) {
    char path[] = "/tmp/test_serve_XXXXXX";
    infer_linear_spec spec;
    infer_model *model;
    infer_linear_spec_init(&spec);
    spec.feature_count = 3;
    spec.output_count = (size_t[]){1, 2, 1, 3}[kind];
    spec.coefficients = coefficients;
    spec.intercepts = intercepts;
    if (kind == BINARY) {
        spec.link = INFER_LINK_LOGISTIC;
        spec.class_count = 2;
        spec.class_ints = ints;
    } else if (kind == NAMED) {
        spec.link = INFER_LINK_SOFTMAX;
        spec.class_count = 3;
        spec.class_strings = strings;
        spec.feature_names = names;
    }
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(infer_linear(&spec, &model), INFER_OK);
    assert_int_equal(infer_save(model, path), INFER_OK);
    infer_free(model);
    infer_serve_options options;
    infer_serve_options_init(&options);
    options.model = path;
    options.handler = handler;
    infer_serve_error error;
    infer_serve *serve;
    if (!infer_serve_open(&options, &serve, &error))
        fail_msg("%s", error.reason);
    unlink(path);
    return serve;
}

static double product(int output) {
    double z = intercepts[output];
    for (int i = 0; i < 3; i++)
        z += coefficients[3 * output + i] * row[i];
    return z;
}

/* Three zeros as a NumPy array of 1 x 3 float32. */
#define NPY                                                                                        \
    "k05VTVBZAQAzAHsnZGVzY3InOic8ZjQnLCdmb3J0cmFuX29yZGVyJzpGYWxzZSwnc2hhcGUnOigxLDMpfQAAAAAAAAAA" \
    "AAAAAA=="

/* {"features":[0,0,0]} */
#define BASE64 "eyJmZWF0dXJlcyI6WzAsMCwwXX0="

/* ---- asking ---- */

static const infer_serve_call call = {
    .id = "id-1", .trace = "Root=1", .traceparent = "", .function = "arn:aws:lambda"};

/* The reply as JSON: always valid, always of the same shape. */
static json_t *respond(infer_serve *serve, const char *event, size_t size) {
    infer_serve_reply reply;
    const char *error_type;
    assert_true(infer_lambda_respond(serve, &call, event, size, NULL, &reply, &error_type));
    json_error_t why;
    json_t *json = json_loadb(reply.text, reply.size, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        fail_msg("%s in %.*s", why.text, (int)reply.size, reply.text);
    int status = (int)json_integer_value(json_object_get(json, "statusCode"));
    assert_int_equal(reply.error.status, status == 200 ? 0 : status);
    assert_true(json_is_string(json_object_get(json, "body")));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "headers"), "content-type")),
        "application/json");
    free(reply.text);
    return json;
}

/* The body of the reply to an event, with the status that is expected. */
static json_t *ask(infer_serve *serve, const char *event, int status) {
    json_t *reply = respond(serve, event, strlen(event));
    const char *text = json_string_value(json_object_get(reply, "body"));
    if (json_integer_value(json_object_get(reply, "statusCode")) != status)
        fail_msg("%s instead of %d for %s", text, status, event);
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(body);
    json_decref(reply);
    return body;
}

static void check_body(infer_serve *serve, const char *event, const char *expected) {
    json_t *body = ask(serve, event, 200), *want = json_loads(expected, 0, NULL);
    char *text = json_dumps(body, JSON_COMPACT);
    if (!json_equal(body, want))
        fail_msg("%s instead of %s", text, expected);
    free(text);
    json_decref(want);
    json_decref(body);
}

static double number_at(const json_t *json, const char *a, const char *b) {
    const json_t *item = json_object_get(json, a);
    item = b ? json_object_get(item, b) : item;
    assert_true(json_is_number(item));
    return json_number_value(item);
}

/* ---- requests ---- */

static void regressions(void **state) {
    (void)state;
    infer_serve *s = open_model(REGRESSION, (infer_serve_handler){0});
    json_t *body = ask(s, "{\"features\":[1.5,-2,0.25]}", 200);
    assert_true(fabs(number_at(body, "prediction", NULL) - product(0)) < 1e-15);
    assert_int_equal(json_object_size(body), 1);
    json_decref(body);
    check_body(s, "{\"features\":[0,0,0]}", "{\"prediction\":0.5}");
    check_body(s, "{\"instances\":[[0,0,0]]}", "{\"predictions\":[0.5]}");
    check_body(s, "{\"instances\":[[0,0,0],[5,0,0]]}", "{\"predictions\":[0.5,1.0]}");
    check_body(s, "{\"features\":[0,0,1e308]}", "{\"prediction\":null}");
    infer_serve_close(s);
}

static void several_outputs(void **state) {
    (void)state;
    infer_serve *s = open_model(TWO_OUTPUTS, (infer_serve_handler){0});
    check_body(s, "{\"features\":[0,0,0]}", "{\"prediction\":[0.5,-0.1]}");
    check_body(s, "{\"instances\":[[0,0,0],[0,0,0]]}", "{\"predictions\":[[0.5,-0.1],[0.5,-0.1]]}");
    infer_serve_close(s);
}

static void classifiers(void **state) {
    (void)state;
    infer_serve *s = open_model(BINARY, (infer_serve_handler){0});
    double p = 1 / (1 + exp(-product(0)));
    json_t *body = ask(s, "{\"features\":[1.5,-2,0.25]}", 200);
    assert_int_equal(json_object_size(body), 3);
    assert_true(json_is_integer(json_object_get(body, "prediction")));
    assert_true(number_at(body, "prediction", NULL) == 1);
    assert_true(number_at(body, "label", NULL) == 1);
    assert_true(fabs(number_at(body, "probabilities", "1") - p) < 1e-15);
    assert_true(fabs(number_at(body, "probabilities", "-7") - (1 - p)) < 1e-15);
    json_decref(body);
    check_body(s, "{\"instances\":[[0,0,1e6],[0,0,-1e6]]}",
               "{\"predictions\":[1,-7],\"labels\":[1,-7],\"probabilities\":"
               "[{\"-7\":0.0,\"1\":1.0},{\"-7\":1.0,\"1\":0.0}]}");
    infer_serve_close(s);

    s = open_model(NAMED, (infer_serve_handler){0});
    double sum = exp(product(0)) + exp(product(1)) + exp(product(2));
    const char *events[] = {"{\"features\":[1.5,-2,0.25]}",
                            "{\"features\":{\"width\":0.25,\"sepal\":1.5,\"petal\":-2}}"};
    for (int i = 0; i < 2; i++) {
        body = ask(s, events[i], 200);
        assert_string_equal(json_string_value(json_object_get(body, "label")), "setosa");
        for (int c = 0; c < 3; c++)
            assert_true(fabs(number_at(body, "probabilities", strings[c]) - exp(product(c)) / sum) <
                        1e-15);
        json_decref(body);
    }
    /* Lists and objects in one batch. */
    body = ask(s, "{\"instances\":[[0,0,9],{\"sepal\":0,\"petal\":0,\"width\":-9}]}", 200);
    assert_string_equal(json_string_value(json_array_get(json_object_get(body, "labels"), 1)),
                        "versicolor");
    json_decref(body);
    infer_serve_close(s);
}

static void tensors(void **state) {
    (void)state;
    infer_serve *s = open_model(REGRESSION, (infer_serve_handler){0});
    check_body(s, "{\"inputs\":{\"features\":[[0,0,0]]}}",
               "{\"outputs\":{\"output\":[[0.5]]},\"prediction\":0.5}");
    check_body(s, "{\"inputs\":{\"features\":[[0,0,0],[5,0,0]]}}",
               "{\"outputs\":{\"output\":[[0.5],[1.0]]}}");
    infer_serve_close(s);
    s = open_model(BINARY, (infer_serve_handler){0});
    check_body(s, "{\"inputs\":{\"features\":[[0,0,1e6]]}}",
               "{\"outputs\":{\"label\":[1],\"probabilities\":[[0.0,1.0]]},\"prediction\":1}");
    infer_serve_close(s);
}

/* ---- events ---- */

static void events(void **state) {
    (void)state;
    infer_serve *s = open_model(REGRESSION, (infer_serve_handler){0});
#define INNER "\"{\\\"features\\\":[0,0,0]}\""
    static const char *const good[] = {
        "{\"features\":[0,0,0]}",
        " \n\t{ \"features\" : [ 0 , 0.0 , 0e0 ] , \"id\" : {\"any\": [1]} }\r\n",
        "\"{\\\"features\\\":[0,0,0]}\"",
        "{\"body\":" INNER "}",
        "{\"body\":{\"features\":[0,0,0]}}",
        "{\"body\":" INNER ",\"isBase64Encoded\":false}",
        "{\"resource\":\"/p\",\"path\":\"/p\",\"httpMethod\":\"POST\",\"headers\":null,"
        "\"multiValueHeaders\":{\"content-type\":[\"application/json\"]},\"body\":" INNER "}",
        "{\"version\":\"2.0\",\"routeKey\":\"$default\",\"rawPath\":\"/\",\"cookies\":[\"a=b\"],"
        "\"requestContext\":{\"http\":{\"method\":\"POST\"}},\"body\":" INNER
        ",\"isBase64Encoded\":false}",
        "{\"requestContext\":{\"http\":{}},\"body\":\"" BASE64 "\",\"isBase64Encoded\":true}",
        "{\"httpMethod\":\"POST\",\"body\":\"\\\"{\\\\\\\"features\\\\\\\":[0,0,0]}\\\"\"}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_body(s, good[i], "{\"prediction\":0.5}");
    const char *balancer =
        "{\"requestContext\":{\"elb\":{\"targetGroupArn\":\"x\"}},\"httpMethod\":\"POST\","
        "\"body\":" INNER ",\"isBase64Encoded\":false}";
    json_t *reply = respond(s, balancer, strlen(balancer));
    assert_string_equal(json_string_value(json_object_get(reply, "statusDescription")), "200 OK");
    assert_true(json_is_false(json_object_get(reply, "isBase64Encoded")));
    json_decref(reply);
    reply = respond(s, good[0], strlen(good[0]));
    assert_int_equal(json_object_size(reply), 3);
    json_decref(reply);
    balancer = "{\"requestContext\":{\"elb\":{}},\"body\":\"\"}";
    reply = respond(s, balancer, strlen(balancer));
    assert_string_equal(json_string_value(json_object_get(reply, "statusDescription")),
                        "400 Bad Request");
    json_decref(reply);
    infer_serve_close(s);
}

static void refusals(void **state) {
    (void)state;
    infer_serve *s = open_model(NAMED, (infer_serve_handler){0});
    assert_true(malformed_count >= 60);
    for (size_t i = 0; i < malformed_count; i++) {
        const malformed *m = &malformed_events[i];
        json_t *body = ask(s, m->event, m->status);
        const char *reason = json_string_value(json_object_get(body, "error"));
        assert_non_null(reason);
        if (!*reason || !strstr(reason, m->reason))
            fail_msg("\"%s\" without \"%s\" for %s", reason, m->reason, m->event);
        json_decref(body);
    }
    json_decref(ask(s, "{\"features\":[0,0,0]}", 200));
    infer_serve_close(s);
}

static void names_are_needed(void **state) {
    (void)state;
    infer_serve *s = open_model(REGRESSION, (infer_serve_handler){0});
    json_decref(ask(s, "{\"features\":{\"a\":1,\"b\":2,\"c\":3}}", 400));
    infer_serve_close(s);
}

/* Nesting beyond what the parser allows, in every place. */
static void depth(void **state) {
    (void)state;
    infer_serve *s = open_model(NAMED, (infer_serve_handler){0});
    static const char *const heads[] = {
        "", "{\"features\":", "{\"inputs\":{\"features\":", "{\"httpMethod\":\"POST\",\"body\":\""};
    size_t size = 200000;
    char *event = malloc(size + 100);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t used = strlen(heads[i]);
        memcpy(event, heads[i], used);
        memset(event + used, '[', size);
        event[used + size] = 0;
        json_decref(ask(s, event, 400));
    }
    for (size_t i = 0; i < size; i += 5)
        memcpy(event + i, "{\"a\":", 5);
    event[size] = 0;
    json_decref(ask(s, event, 400));
    free(event);
    infer_serve_close(s);
}

static void sizes(void **state) {
    (void)state;
    infer_serve *s = open_model(REGRESSION, (infer_serve_handler){0});
    size_t size = (size_t)6 * 1024 * 1024 + 1;
    char *event = malloc(size + 1);
    const char *request = "{\"features\":[0,0,0]}";
    memset(event, ' ', size);
    event[size] = 0;
    memcpy(event, request, strlen(request));
    json_decref(ask(s, event, 413));
    event[size - 1] = 0;
    json_decref(ask(s, event, 200));
    free(event);
    infer_serve_close(s);
}

/* ---- handlers of one's own ---- */

static json_t *own(void *user, infer_serve *serve, const infer_serve_call *made, json_t *request,
                   infer_serve_error *error) {
    ++*(int *)user;
    assert_ptr_equal(made, &call);
    assert_int_equal(infer_model_feature_count(infer_serve_model(serve)), 3);
    const char *what = json_string_value(json_object_get(request, "what"));
    if (!what)
        return NULL;
    if (strcmp(what, "fail") == 0)
        return infer_serve_fail(error, 422, "no \"%s\"", "luck");
    json_object_set_new(request, "features", json_pack("[i,i,i]", 0, 0, 0));
    json_t *answer = infer_serve_predict(serve, request, error);
    json_object_set_new(answer, "trace", json_string(made->trace));
    return answer;
}

static void own_handler(void **state) {
    (void)state;
    int calls = 0;
    infer_serve *s = open_model(REGRESSION, (infer_serve_handler){own, &calls});
    check_body(s, "{\"what\":\"predict\"}", "{\"prediction\":0.5,\"trace\":\"Root=1\"}");
    json_t *body = ask(s, "{\"what\":\"fail\"}", 422);
    assert_string_equal(json_string_value(json_object_get(body, "error")), "no \"luck\"");
    json_decref(body);
    json_decref(ask(s, "{}", 500));
    assert_int_equal(calls, 3);
    json_decref(ask(s, "[]", 400));
    assert_int_equal(calls, 3);
    infer_serve_close(s);
}

/* ---- opening ---- */

static void opening(void **state) {
    (void)state;
    infer_serve_error error;
    infer_serve *serve;
    infer_serve_options options = {.model = "/nowhere/model.onnx"};
    assert_false(infer_serve_open(&options, &serve, &error));
    assert_null(serve);
    assert_non_null(strstr(error.reason, "/nowhere/model.onnx"));
    unsetenv("MODEL_PATH");
    options = (infer_serve_options){.folder = "/nowhere"};
    assert_false(infer_serve_open(&options, &serve, &error));
    assert_non_null(strstr(error.reason, "MODEL_PATH"));
    infer_serve_close(NULL);
}

/* ---- memory that fails ---- */

/* Every allocation refused in turn: an error in the right shape, or none at all. That nothing stays
 * behind is for the leak sanitizer to say. */
static void failing_memory(void **state) {
    (void)state;
    static const char *const asked[] = {
        "{\"features\":[1,2,3]}",
        "{\"instances\":[[1,2,3],{\"sepal\":1,\"petal\":2,\"width\":3}]}",
        "{\"inputs\":{\"features\":[[1,2,3]]}}",
        "{\"httpMethod\":\"POST\",\"isBase64Encoded\":true,\"body\":\"" BASE64 "\"}",
        "{\"requestContext\":{\"elb\":{}},\"body\":\"{\\\"features\\\":[1,2]}\"}",
        "{\"httpMethod\":\"POST\",\"headers\":{\"content-type\":\"text/csv\"},\"body\":"
        "\"sepal,petal,width\\n1,2,3\\n\"}",
        "{\"httpMethod\":\"POST\",\"isBase64Encoded\":true,\"body\":\"" NPY "\"}",
    };
    infer_serve *s = open_model(NAMED, (infer_serve_handler){0});
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        infer_serve_reply reply = {0};
        const char *error_type;
        bool expected = i == 4, unharmed = false;
        for (size_t n = 0; !unharmed; n++) {
            failing_from(n);
            bool good = infer_lambda_respond(s, &call, asked[i], strlen(asked[i]), NULL, &reply,
                                             &error_type);
            unharmed = failing_ended();
            assert_int_equal(good, reply.text != NULL);
            if (unharmed)
                assert_int_equal(reply.error.status, expected ? 400 : 0);
            else if (reply.error.status != 503 && !(expected && reply.error.status == 400))
                fail_msg("allocation %zu of event %zu gave status %d", n, i, reply.error.status);
            free(reply.text);
        }
    }
    infer_serve_close(s);
}

/* A batch of records fails as a whole, or says which records have failed. */
static void failing_memory_of_records(void **state) {
    (void)state;
    static const char event[] =
        "{\"Records\":[{\"eventSource\":\"aws:sqs\",\"messageId\":\"a\",\"body\":"
        "\"{\\\"features\\\":[1,2,3]}\"},{\"eventSource\":\"aws:kinesis\",\"kinesis\":{"
        "\"sequenceNumber\":\"7\",\"data\":\"" BASE64 "\"}},{\"eventSource\":\"aws:dynamodb\","
        "\"dynamodb\":{\"SequenceNumber\":\"8\",\"NewImage\":{\"features\":{\"L\":[{\"N\":\"1\"},"
        "{\"N\":\"2\"},{\"N\":\"3\"}]}}}}]}";
    infer_serve *s = open_model(NAMED, (infer_serve_handler){0});
    bool unharmed = false;
    for (size_t n = 0; !unharmed; n++) {
        infer_serve_reply reply = {0};
        const char *error_type;
        failing_from(n);
        bool good = infer_lambda_respond(s, &call, event, strlen(event), NULL, &reply, &error_type);
        unharmed = failing_ended();
        json_t *json = good ? json_loadb(reply.text, reply.size, 0, NULL) : NULL;
        json_t *failures = json_object_get(json, "batchItemFailures");
        assert_int_equal(good, json != NULL);
        if (unharmed)
            assert_int_equal(json_array_size(failures), 0);
        else if (good && json_is_array(json_object_get(json, "results")))
            assert_int_equal(json_array_size(json_object_get(json, "results")), 3);
        else if (!good)
            assert_int_equal(reply.error.status, 503);
        json_decref(json);
        free(reply.text);
    }
    infer_serve_close(s);
}

/* ---- damage ---- */

static uint32_t random_below(uint32_t bound) {
    static uint64_t seed = 7;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

/* Good events with bytes changed, cut and doubled: an answer or a reason, each time. */
static void damaged_bytes(void **state) {
    (void)state;
    static const char *const whole[] = {
        "{\"features\":{\"sepal\":1.5,\"petal\":-2e3,\"width\":0.25}}",
        "{\"instances\":[[1,2,3],{\"sepal\":1,\"petal\":2,\"width\":3}]}",
        "{\"inputs\":{\"features\":[[1,2,3],[4,5,6]]}}",
        "{\"requestContext\":{\"elb\":{}},\"isBase64Encoded\":true,\"body\":\"" BASE64 "\"}",
        "{\"httpMethod\":\"POST\",\"body\":\"{\\\"features\\\":[1,2,3]}\"}",
    };
    static const char likely[] = "{}[]\",:\\0123456789eE+-.=ntfu \xff\xc3";
    infer_serve *s = open_model(NAMED, (infer_serve_handler){0});
    size_t answered = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        const char *from = whole[random_below(5)];
        size_t size = strlen(from);
        char *event = malloc(2 * size);
        memcpy(event, from, size);
        for (uint32_t n = 1 + random_below(3); n; n--) {
            uint32_t at = random_below((uint32_t)size);
            if (random_below(8) == 0)
                size = at + 1;
            else if (random_below(8) == 0 && size < strlen(from))
                event[size++] = event[at];
            else
                event[at] = likely[random_below(sizeof likely - 1)];
        }
        /* Exactly sized, so that a sanitizer sees a read behind the end. */
        char *exact = malloc(size);
        memcpy(exact, event, size);
        json_t *reply = respond(s, exact, size);
        bool good = json_integer_value(json_object_get(reply, "statusCode")) == 200;
        answered += good;
        refused += !good;
        json_decref(reply);
        free(exact);
        free(event);
    }
    assert_true(answered > 100 && refused > 10000);
    infer_serve_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regressions),
        cmocka_unit_test(several_outputs),
        cmocka_unit_test(classifiers),
        cmocka_unit_test(tensors),
        cmocka_unit_test(events),
        cmocka_unit_test(refusals),
        cmocka_unit_test(names_are_needed),
        cmocka_unit_test(depth),
        cmocka_unit_test(sizes),
        cmocka_unit_test(own_handler),
        cmocka_unit_test(opening),
        cmocka_unit_test(failing_memory),
        cmocka_unit_test(failing_memory_of_records),
        cmocka_unit_test(damaged_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
