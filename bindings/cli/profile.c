/* `infer bench --profile`: what each node takes, and how far it is from what the machine can do. */
#include "bench.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct collector {
    infer_cli_profile *profile;
    uint64_t *samples; /* [node][run] */
    size_t run;
    uint64_t start;
} collector;

/* Nodes of bodies run more than once: their times add up. */
static void observe(void *user, size_t node, uint64_t took) {
    collector *c = user;
    infer_cli_profiled *n = &c->profile->nodes[node];
    uint64_t *sample = &c->samples[node * c->profile->runs + c->run];
    if (*sample == 0)
        n->start = infer_cli_now() - took - c->start;
    *sample += took;
    n->took = *sample;
}

/* How fast bytes can come that are so many. */
static double reads(const infer_cli_profile *p, double bytes) {
    size_t i = 0;
    while (i + 1 < INFER_CLI_SIZES && bytes > (double)infer_cli_sizes[i])
        i++;
    return p->peaks.read[i];
}

/* The time of whichever limit binds, against the time it took. */
static double share(const infer_cli_profile *p, const infer_cli_profiled *n) {
    if (!(p->peaks.fma > 0) || !(n->ns > 0))
        return 0;
    double sums = n->operations / 2 / p->peaks.fma / (double)p->threads;
    double moves = n->bytes / reads(p, n->bytes) / (double)p->threads;
    return (sums > moves ? sums : moves) / n->ns;
}

static int collect(infer_cli_subject *s, infer_cli_profile *p, collector *c) {
    infer_status status = INFER_OK;
    uint64_t took;
    for (int i = 0; i < 2 && status == INFER_OK; i++) /* plans, and warms up */
        status = infer_cli_once(s, &took);
    infer_context_observe(s->context, observe, c);
    for (c->run = 0; c->run < p->runs && status == INFER_OK; c->run++) {
        c->start = infer_cli_now();
        status = infer_cli_once(s, &took);
    }
    infer_context_observe(s->context, NULL, NULL);
    for (size_t i = 0; i < p->count && status == INFER_OK; i++) {
        infer_cli_profiled *n = &p->nodes[i];
        infer_node_work work = {.struct_size = sizeof work};
        uint64_t *samples = &c->samples[i * p->runs];
        status = infer_model_node(s->model, i, &n->name, &n->domain, &n->op);
        if (status == INFER_OK)
            status = infer_context_node_work(s->context, i, &work);
        n->ns = (double)infer_cli_sort(samples, p->runs);
        n->bytes = work.bytes;
        n->operations = work.operations;
        n->share = share(p, n);
        p->total += n->ns;
    }
    return status == INFER_OK ? INFER_CLI_OK : infer_cli_failed("bench", status);
}

/* ---- as text ---- */

static int by_time(const void *a, const void *b) {
    const infer_cli_profiled *x = *(infer_cli_profiled *const *)a,
                             *y = *(infer_cli_profiled *const *)b;
    return x->ns > y->ns ? -1 : x->ns < y->ns;
}

static void print_line(const infer_cli_profile *p, const infer_cli_profiled *n, size_t nodes) {
    printf("%10.1f %6.1f%% %10.3f %11.3f %9.1f %6.0f%%  %s.%s", n->ns / 1e3,
           100 * n->ns / (p->total > 0 ? p->total : 1), n->bytes / 1e6, n->operations / 1e6,
           n->ns > 0 ? n->operations / n->ns : 0, 100 * n->share,
           n->domain[0] ? n->domain : "ai.onnx", n->op);
    if (nodes)
        printf("  x%zu\n", nodes);
    else
        printf("  %s\n", n->name);
}

static void print_head(const char *what) {
    printf("%10s %7s %10s %11s %9s %7s  %s\n", "us", "of all", "MB", "Mop", "Gop/s", "limit", what);
}

/* Nodes of one operator together. */
static void print_operators(const infer_cli_profile *p, infer_cli_profiled **order) {
    bool *done = calloc(p->count, sizeof *done);
    print_head("operators");
    for (size_t i = 0; i < p->count && done; i++) {
        infer_cli_profiled sum = *order[i];
        size_t nodes = 0;
        if (done[i])
            continue;
        sum.ns = sum.bytes = sum.operations = sum.share = 0;
        for (size_t j = i; j < p->count; j++) {
            const infer_cli_profiled *n = order[j];
            if (strcmp(n->op, sum.op) != 0 || strcmp(n->domain, sum.domain) != 0)
                continue;
            done[j] = true;
            nodes++;
            sum.ns += n->ns;
            sum.bytes += n->bytes;
            sum.operations += n->operations;
            sum.share += n->share * n->ns;
        }
        sum.share = sum.ns > 0 ? sum.share / sum.ns : 0;
        print_line(p, &sum, nodes);
    }
    free(done);
}

static int print_text(const infer_cli_profile *p) {
    infer_cli_profiled **order = malloc((p->count + 1) * sizeof *order);
    if (!order)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    for (size_t i = 0; i < p->count; i++)
        order[i] = &p->nodes[i];
    qsort(order, p->count, sizeof *order, by_time);
    print_head("nodes");
    for (size_t i = 0; i < p->count; i++)
        print_line(p, order[i], 0);
    putchar('\n');
    print_operators(p, order);
    printf("\n%.1f us in %zu nodes, medians of %zu runs, %u thread%s. The machine: %.0f Gop/s a "
           "thread, reads %.1f GB/s of memory.\n",
           p->total / 1e3, p->count, p->runs, (unsigned)p->threads, p->threads == 1 ? "" : "s",
           2 * p->peaks.fma, p->peaks.read[INFER_CLI_SIZES - 1]);
    free(order);
    return INFER_CLI_OK;
}

/* ---- as JSON ---- */

static int print_json(const infer_cli_profile *p) {
    json_t *nodes = json_array();
    for (size_t i = 0; i < p->count; i++) {
        const infer_cli_profiled *n = &p->nodes[i];
        json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "name", n->name, "domain",
                             n->domain[0] ? n->domain : "ai.onnx", "op", n->op, "ns", n->ns,
                             "bytes", n->bytes, "operations", n->operations, "share", n->share));
    }
    json_t *all =
        json_pack("{s:i, s:i, s:f, s:f, s:f, s:o}", "runs", (int)p->runs, "threads",
                  (int)p->threads, "total_ns", p->total, "peak_fma_per_ns", p->peaks.fma,
                  "peak_bytes_per_ns", p->peaks.read[INFER_CLI_SIZES - 1], "nodes", nodes);
    int code = all && json_dumpf(all, stdout, JSON_COMPACT) == 0
                   ? INFER_CLI_OK
                   : infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    putchar('\n');
    json_decref(all);
    return code;
}

int infer_cli_profile_run(infer_cli_subject *s, const char *model, size_t runs, uint32_t threads,
                          bool json, const char *trace, const char *page) {
    infer_cli_profile p = {.model = model,
                           .count = infer_model_nodes(s->model),
                           .runs = runs,
                           .threads = threads,
                           .peaks = infer_cli_measure_peaks()};
    collector c = {.profile = &p};
    p.nodes = infer_cli_pool_take(&s->pool, p.count, sizeof *p.nodes);
    if (p.count <= SIZE_MAX / runs)
        c.samples = infer_cli_pool_take(&s->pool, p.count * runs, sizeof *c.samples);
    if (!p.nodes || !c.samples)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    int code = collect(s, &p, &c);
    if (!code)
        code = json ? print_json(&p) : print_text(&p);
    if (!code && trace)
        code = infer_cli_write_trace(&p, trace);
    if (!code && page)
        code = infer_cli_write_page(&p, page);
    return code;
}
