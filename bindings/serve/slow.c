/* Requests that take long: a line with the time and the nodes that took most of it. */
#define _POSIX_C_SOURCE 200809L
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMED 5 /* nodes in a line */

uint64_t infer_serve_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void add_time(void *serve_void, size_t node, uint64_t nanoseconds) {
    infer_serve *serve = serve_void;
    serve->node_ns[node] += nanoseconds;
}

bool infer_serve_watch_nodes(infer_serve *serve) {
    size_t nodes = infer_model_nodes(serve->model);
    if (!serve->options.slow_ms)
        return true;
    serve->node_ns = calloc(nodes + 1, sizeof *serve->node_ns);
    return serve->node_ns &&
           serve->options.engine->observe(serve->context, add_time, serve) == INFER_OK;
}

uint64_t infer_serve_slow_start(infer_serve *serve) {
    if (serve->node_ns)
        memset(serve->node_ns, 0, infer_model_nodes(serve->model) * sizeof *serve->node_ns);
    return serve->options.slow_ms ? infer_serve_now() : 0;
}

/* Appends the slowest node and forgets its time. */
static size_t name_slowest(infer_serve *serve, char *to, size_t room) {
    const char *name, *domain, *op;
    size_t slowest = 0;
    for (size_t i = 1; i < infer_model_nodes(serve->model); i++)
        if (serve->node_ns[i] > serve->node_ns[slowest])
            slowest = i;
    if (!serve->node_ns[slowest] ||
        infer_model_node(serve->model, slowest, &name, &domain, &op) != INFER_OK)
        return 0;
    int size = snprintf(to, room, ", %.40s %.60s %.3f ms", op, name,
                        (double)serve->node_ns[slowest] / 1e6);
    serve->node_ns[slowest] = 0;
    return size > 0 && (size_t)size < room ? (size_t)size : 0;
}

void infer_serve_slow_end(infer_serve *serve, const infer_serve_call *call, uint64_t start) {
    char nodes[NAMED * 140] = "";
    size_t size = 0, more = 1;
    uint64_t took = start ? infer_serve_now() - start : 0;
    if (!start || took < serve->options.slow_ms * UINT64_C(1000000))
        return;
    for (int i = 0; serve->node_ns && more && i < NAMED; i++)
        size += more = name_slowest(serve, nodes + size, sizeof nodes - size);
    infer_serve_log(INFER_SERVE_WARN, call, "slow request: %.3f ms%s", (double)took / 1e6, nodes);
}
