/* Events of objects with memory that fails and bytes that are damaged, over a store that answers
 * all. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing.h"
#include "lambda_event.h"
#include "s3.h"

/* ---- the store ---- */

static int listener;

/* Reads a request to its end; false where none came. */
static bool read_request(int file) {
    char text[8192];
    size_t size = 0, wanted = 0;
    while (!wanted || size < wanted) {
        ssize_t got = recv(file, text + size, sizeof text - 1 - size, 0);
        if (got <= 0)
            return false;
        size += (size_t)got;
        text[size] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (end)
            wanted = (size_t)(end - text) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
    }
    return true;
}

static void *store(void *unused) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n6\r\n1,2,3\n\r\n0\r\n\r\n";
    int file;
    (void)unused;
    while ((file = accept(listener, NULL, NULL)) >= 0) {
        while (read_request(file) && send(file, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0)
            ;
        close(file);
    }
    return NULL;
}

static int start_store(void **state) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    char url[40];
    pthread_t thread;
    (void)state;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&where, size) != 0 || listen(listener, 100) != 0 ||
        getsockname(listener, (struct sockaddr *)&where, &size) != 0)
        return 1;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(where.sin_port));
    setenv("AWS_ENDPOINT_URL_S3", url, 1);
    setenv("AWS_REGION", "us-east-1", 1);
    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    /* One connection reads, another one writes. */
    for (int i = 0; i < 4; i++)
        if (pthread_create(&thread, NULL, store, NULL) != 0 || pthread_detach(thread) != 0)
            return 1;
    return 0;
}

/* ---- events ---- */

static infer_serve *open_model(void) {
    static const double coefficients[] = {0.5, -1.25, 2}, intercepts[] = {0.75};
    char path[] = "/tmp/test_s3_XXXXXX";
    infer_linear_spec spec;
    infer_model *model;
    infer_linear_spec_init(&spec);
    spec.feature_count = 3;
    spec.output_count = 1;
    spec.coefficients = coefficients;
    spec.intercepts = intercepts;
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(infer_linear(&spec, &model), INFER_OK);
    assert_int_equal(infer_save(model, path), INFER_OK);
    infer_free(model);
    infer_serve_options options;
    infer_serve_options_init(&options);
    options.model = path;
    options.objects = &infer_s3_objects;
    options.s3_output = "s3://results/out/";
    options.timeout_ms = 5000;
    infer_serve_error error;
    infer_serve *serve;
    if (!infer_serve_open(&options, &serve, &error))
        fail_msg("%s", error.reason);
    unlink(path);
    return serve;
}

#define RECORD                                                                                     \
    "{\"eventSource\":\"aws:s3\",\"awsRegion\":\"eu-west-1\",\"eventName\":\"ObjectCreated:Put\"," \
    "\"s3\":{\"bucket\":{\"name\":\"data\"},\"object\":{\"key\":\"a+b%2Fc\",\"versionId\":\"v\"}}" \
    "}"
#define QUOTED                                                                                     \
    "{\\\"Records\\\":[{\\\"eventSource\\\":\\\"aws:s3\\\",\\\"s3\\\":{\\\"bucket\\\":{"           \
    "\\\"name\\\":\\\"data\\\"},\\\"object\\\":{\\\"key\\\":\\\"k\\\"}}}]}"

static const char *const events[] = {
    "{\"Records\":[" RECORD "]}",
    "{\"Records\":[{\"eventSource\":\"aws:sqs\",\"messageId\":\"a\",\"body\":\"" QUOTED "\"}]}",
    "{\"detail-type\":\"Object "
    "Created\",\"source\":\"aws.s3\",\"id\":\"e\",\"region\":\"eu-west-1\","
    "\"detail\":{\"bucket\":{\"name\":\"data\"},\"object\":{\"key\":\"k\",\"version-id\":\"v\"}}}",
    "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"data\"}",
};

static const infer_serve_call call = {
    .id = "id-1", .trace = "Root=1", .traceparent = "", .function = "arn:aws:lambda"};

static bool respond(infer_serve *serve, const char *event, size_t size, infer_serve_reply *reply) {
    const char *error_type;
    *reply = (infer_serve_reply){0};
    return infer_lambda_respond(serve, &call, event, size, NULL, reply, &error_type);
}

static void failing_memory(void **state) {
    (void)state;
    infer_serve_log_configure(&(infer_serve_options){.log_level = INFER_SERVE_FATAL});
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        bool unharmed = false;
        for (size_t n = 0; !unharmed; n++) {
            infer_serve_reply reply;
            infer_serve *s = open_model();
            failing_from(n);
            bool good = respond(s, events[i], strlen(events[i]), &reply);
            unharmed = failing_ended();
            assert_true(good == (reply.text != NULL));
            assert_true(good || reply.error.status >= 500);
            assert_true(!unharmed || (good && !reply.error.status));
            free(reply.text);
            infer_serve_close(s);
        }
    }
}

static uint32_t random_below(uint32_t bound) {
    static uint64_t seed = 11;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

static void damaged_bytes(void **state) {
    (void)state;
    infer_serve *s = open_model();
    for (int n = 0; n < 4000; n++) {
        const char *whole = events[random_below(sizeof events / sizeof *events)];
        size_t size = strlen(whole);
        char *event = strdup(whole);
        for (uint32_t changes = 1 + random_below(3); changes; changes--)
            event[random_below((uint32_t)size)] = (char)(1 + random_below(255));
        infer_serve_reply reply;
        bool good = respond(s, event, size, &reply);
        assert_true(good == (reply.text != NULL));
        assert_true(good || (reply.error.status >= 400 && *reply.error.reason));
        free(reply.text);
        free(event);
    }
    infer_serve_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(failing_memory),
                                       cmocka_unit_test(damaged_bytes)};
    return cmocka_run_group_tests(tests, start_store, NULL);
}
