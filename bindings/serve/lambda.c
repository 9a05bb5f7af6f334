/* AWS Lambda: the initialisation, with SnapStart and several invocations at once. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lambda_loop.h"
#include "platform.h"

/* More pollers than any function may have. */
#define MOST_POLLERS 1024

/* ---- SnapStart ---- */

/* Zeros for every input; false for inputs that have none. */
static bool make_zeros(const infer_serve *serve, infer_serve_tensors *zeros) {
    size_t count = infer_model_inputs(serve->model);
    zeros->names = calloc(count + 1, sizeof *zeros->names);
    zeros->values = calloc(count + 1, sizeof *zeros->values);
    for (size_t i = 0; zeros->names && zeros->values && i < count; i++) {
        infer_value_info info = {.struct_size = sizeof info};
        size_t extents = INFER_MAX_RANK * sizeof(int64_t), elements = 1;
        if (infer_model_input(serve->model, i, &info) != INFER_OK || info.rank < 0 ||
            info.kind != INFER_KIND_TENSOR || info.type == INFER_TYPE_STRING)
            return false;
        for (int32_t axis = 0; axis < info.rank; axis++)
            if (info.shape[axis] > 0 &&
                __builtin_mul_overflow(elements, (size_t)info.shape[axis], &elements))
                return false;
        int64_t *block =
            elements < SIZE_MAX / 32
                ? calloc(1, extents + elements * infer_type_size((infer_type)info.type))
                : NULL;
        if (!block)
            return false;
        for (int32_t axis = 0; axis < info.rank; axis++)
            block[axis] = info.shape[axis] > 0 ? info.shape[axis] : 1;
        zeros->names[i] = info.name;
        zeros->values[i] = (infer_value){.type = info.type,
                                         .rank = (uint32_t)info.rank,
                                         .shape = block,
                                         .data = (char *)block + extents,
                                         .count = elements};
        zeros->count++;
    }
    return zeros->names && zeros->values;
}

/* A prediction brings what it touches into the snapshot: the model's pages and working memory. A
 * model that cannot predict zeros goes without. */
static void warm_up(infer_serve *serve) {
    infer_serve_error error = {0};
    json_t *answer = NULL;
    if (serve->features && (serve->outputs || serve->label_name)) {
        double *row = calloc(serve->features, sizeof *row);
        answer = row ? infer_serve_answer_rows(serve, row, 1, false, &error) : NULL;
        free(row);
    } else {
        infer_serve_tensors zeros = {0};
        infer_value *outputs =
            make_zeros(serve, &zeros) ? infer_serve_run(serve, &zeros, &error) : NULL;
        free(outputs);
        infer_serve_tensors_free(&zeros);
    }
    if (error.status)
        infer_serve_log(INFER_SERVE_DEBUG, NULL, "no prediction before the snapshot: %s",
                        error.reason);
    json_decref(answer);
}

/* Waits for the snapshot to be taken and restored. */
static bool pass_snapshot(infer_lambda_client *client, infer_serve *serve) {
    const char *type = getenv("AWS_LAMBDA_INITIALIZATION_TYPE");
    char message[100];
    if (!type || strcmp(type, "snap-start") != 0)
        return true;
    warm_up(serve);
    int status = infer_lambda_get(client, INFER_LAMBDA_API "restore/next");
    if (status == 200 || infer_lambda_stopped(client))
        return true;
    snprintf(message, sizeof message, "the runtime did not restore the function: status %d",
             status);
    infer_serve_log(INFER_SERVE_ERROR, NULL, "%s", message);
    infer_lambda_report(client, NULL, "restore", "Runtime.RestoreFailed", message);
    return false;
}

/* ---- several at once ---- */

typedef struct poller {
    pthread_t thread;
    infer_lambda_client *client;
    infer_serve *serve;
    int code;
} poller;

/* One poller that has ended ends them all: the platform then starts the process anew. */
static void *poll_on(void *poller_void) {
    poller *p = poller_void;
    p->code = infer_lambda_serve(p->client, p->serve);
    kill(getpid(), SIGTERM);
    return NULL;
}

static size_t start_pollers(const char *api, const infer_serve *serve, int stop_file,
                            poller *pollers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        poller *p = &pollers[i];
        p->client = infer_lambda_client_new(api, stop_file);
        p->serve = infer_serve_share(serve);
        if (!p->client || !p->serve || pthread_create(&p->thread, NULL, poll_on, p) != 0) {
            infer_serve_close(p->serve);
            infer_lambda_client_free(p->client);
            return i;
        }
    }
    return count;
}

/* A thread, a connection and a share of the model for each poll; this one waits for the signal. */
static int serve_concurrently(const char *api, const infer_serve *serve, size_t count) {
    sigset_t signals;
    const uint64_t stop = 1;
    int number, code = INFER_SERVE_EXIT_OK, stop_file = eventfd(0, EFD_CLOEXEC);
    poller *pollers = calloc(count, sizeof *pollers);
    size_t started =
        pollers && stop_file >= 0 ? start_pollers(api, serve, stop_file, pollers, count) : 0;
    if (started < count)
        infer_serve_log(INFER_SERVE_ERROR, NULL, "%zu of %zu polls could be started", started,
                        count);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (started == 0)
        code = INFER_SERVE_EXIT_FAILED;
    else
        sigwait(&signals, &number);
    if (stop_file >= 0 && write(stop_file, &stop, sizeof stop) != sizeof stop)
        code = INFER_SERVE_EXIT_FAILED;
    for (size_t i = 0; i < started; i++) {
        pthread_join(pollers[i].thread, NULL);
        code = pollers[i].code > code ? pollers[i].code : code;
        infer_serve_close(pollers[i].serve);
        infer_lambda_client_free(pollers[i].client);
    }
    free(pollers);
    if (stop_file >= 0)
        close(stop_file);
    return code;
}

/* How many invocations come at once, 0 where it is the usual one after the other. */
static size_t concurrency(void) {
    const char *text = getenv("AWS_LAMBDA_MAX_CONCURRENCY");
    long number = text ? strtol(text, NULL, 10) : 0;
    return number < 2 ? 0 : number > MOST_POLLERS ? MOST_POLLERS : (size_t)number;
}

/* Before anything else is started: threads inherit it. */
static void leave_signals_to_wait(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* ---- the platform ---- */

static bool is_place(const char *url) {
    return strncmp(url, "s3://", 5) == 0 && strchr(url + 5, '/') > url + 5;
}

int infer_serve_lambda_run(infer_serve_options *options) {
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    const char *memory = getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    size_t pollers = concurrency();
    infer_lambda_client *client = api ? infer_lambda_client_new(api, -1) : NULL;
    if (!client) {
        infer_serve_log(INFER_SERVE_ERROR, NULL, "AWS_LAMBDA_RUNTIME_API is not host:port");
        return INFER_SERVE_EXIT_USAGE;
    }
    if (options->s3_output && !is_place(options->s3_output)) {
        infer_serve_log(INFER_SERVE_ERROR, NULL, "INFER_S3_OUTPUT is not s3://bucket/prefix");
        infer_lambda_client_free(client);
        return INFER_SERVE_EXIT_USAGE;
    }
    if (!options->folder)
        options->folder = getenv("LAMBDA_TASK_ROOT");
    /* A prediction that would take more than the function has is an answer with 503, not the end of
     * the process. A quarter is left to requests, answers and the model. */
    if (!options->memory_limit && memory)
        options->memory_limit =
            (size_t)strtoul(memory, NULL, 10) * (1024 * 1024 / 4 * 3) / (pollers ? pollers : 1);
    infer_serve *serve;
    infer_serve_error error;
    int code = INFER_SERVE_EXIT_FAILED;
    if (!infer_serve_open(options, &serve, &error)) {
        infer_serve_log(INFER_SERVE_ERROR, NULL, "%s", error.reason);
        infer_lambda_report(client, NULL, "init", "Runtime.ModelUnavailable", error.reason);
    } else if (pass_snapshot(client, serve)) {
        if (!pollers) {
            code = infer_lambda_serve(client, serve);
        } else {
            /* Signals go to the thread that waits for them: no longer to this client. */
            leave_signals_to_wait();
            infer_lambda_client_free(client);
            client = NULL;
            code = serve_concurrently(api, serve, pollers);
        }
    }
    infer_serve_close(serve);
    infer_lambda_client_free(client);
    return code;
}
