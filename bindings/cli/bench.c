/* `infer bench`: what one prediction takes. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef infer_cli_subject subject;

/* xorshift64*: the same rows in every process. */
static float next_number(subject *s) {
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return (float)((double)(s->random * 0x2545F4914F6CDD1DULL >> 40) / (double)(1 << 23) - 1);
}

uint64_t infer_cli_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int prepare_predict(subject *s) {
    s->features = infer_cli_pool_take(&s->pool, s->feature_count, sizeof *s->features);
    s->results = infer_cli_pool_take(&s->pool, s->output_count, sizeof *s->results);
    return s->features && s->results ? INFER_CLI_OK
                                     : infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
}

/* The extents given for an input, or NULL. */
static const infer_value *given(const infer_cli_shapes *shapes, const char *name, int32_t rank) {
    for (size_t i = 0; i < shapes->count; i++)
        if (strcmp(shapes->names[i], name) == 0 && (int32_t)shapes->values[i].rank == rank)
            return &shapes->values[i];
    return NULL;
}

/* Zeros in the shape of an input; dynamic extents that are not given are 1. */
static int prepare_input(subject *s, const infer_cli_shapes *shapes, size_t index) {
    infer_value_info info = {.struct_size = sizeof info};
    infer_value *v = &s->inputs[index];
    infer_status status = infer_model_input(s->model, index, &info);
    if (status != INFER_OK)
        return infer_cli_failed("bench", status);
    size_t size = infer_type_size((infer_type)info.type), count = 1;
    int64_t *shape = infer_cli_pool_take(&s->pool, INFER_MAX_RANK, sizeof *shape);
    if (info.kind != INFER_KIND_TENSOR || !size)
        return infer_cli_fail(INFER_CLI_MODEL, "input %s is %s: only tensors can be made up",
                              info.name, info.type_string);
    const infer_value *as = given(shapes, info.name, info.rank);
    for (int32_t i = 0; shape && i < info.rank; i++) {
        shape[i] = as && as->shape[i] >= 0 ? as->shape[i] : info.shape[i] < 0 ? 1 : info.shape[i];
        if (shape[i] && count > SIZE_MAX / size / (size_t)shape[i])
            return infer_cli_fail(INFER_CLI_MODEL, "input %s does not fit memory", info.name);
        count *= (size_t)shape[i];
    }
    *v = (infer_value){.type = info.type,
                       .rank = info.rank < 0 ? 0 : (uint32_t)info.rank,
                       .shape = shape,
                       .count = count};
    v->data = infer_cli_pool_take(&s->pool, count, size);
    return shape && v->data ? INFER_CLI_OK : infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
}

static int prepare_run(subject *s, const infer_cli_shapes *shapes) {
    s->input_count = infer_model_inputs(s->model);
    s->inputs = infer_cli_pool_take(&s->pool, s->input_count, sizeof *s->inputs);
    if (!s->inputs)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    for (size_t i = 0; i < s->input_count; i++) {
        int code = prepare_input(s, shapes, i);
        if (code)
            return code;
    }
    infer_status status = infer_context_new(s->model, &s->context);
    return status == INFER_OK ? INFER_CLI_OK : infer_cli_failed("bench", status);
}

infer_status infer_cli_once(subject *s, uint64_t *took) {
    infer_status status;
    for (size_t i = 0; i < s->feature_count && !s->context; i++)
        s->features[i] = next_number(s);
    for (size_t i = 0; i < s->input_count; i++)
        for (size_t k = 0; s->inputs[i].type == INFER_TYPE_FLOAT && k < s->inputs[i].count; k++)
            ((float *)s->inputs[i].data)[k] = next_number(s);
    uint64_t begin = infer_cli_now();
    if (!s->context) {
        status =
            infer_predict(s->model, s->features, s->feature_count, s->results, s->output_count);
    } else {
        s->outputs[0].data = NULL;
        status = infer_run(s->context, NULL, s->inputs, s->input_count, NULL, s->outputs, 1);
    }
    *took = infer_cli_now() - begin;
    return status;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t infer_cli_sort(uint64_t *samples, size_t n) {
    qsort(samples, n, sizeof *samples, by_size);
    return samples[n / 2];
}

/* What an empty measurement shows, to be taken off. */
static uint64_t clock_cost(void) {
    uint64_t samples[101];
    for (size_t i = 0; i < 101; i++) {
        uint64_t begin = infer_cli_now();
        samples[i] = infer_cli_now() - begin;
    }
    return infer_cli_sort(samples, 101);
}

static int measure(subject *s, size_t n, bool json) {
    uint64_t *samples = infer_cli_pool_take(&s->pool, n, sizeof *samples), cost = clock_cost();
    if (!samples)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    infer_status status = INFER_OK;
    for (size_t i = 0; i < n / 10 + 1 && status == INFER_OK; i++)
        status = infer_cli_once(s, &samples[0]);
    infer_cli_progress_begin("measuring", n);
    double sum = 0;
    for (size_t i = 0; i < n && status == INFER_OK; i++) {
        status = infer_cli_once(s, &samples[i]);
        samples[i] = samples[i] > cost ? samples[i] - cost : 0;
        sum += (double)samples[i];
        infer_cli_progress_at(i);
    }
    infer_cli_progress_end();
    if (status != INFER_OK)
        return infer_cli_failed("bench", status);
    const char *call = s->context ? "infer_run" : "infer_predict";
    unsigned long long median = infer_cli_sort(samples, n), least = samples[0],
                       p99 = samples[(size_t)((double)(n - 1) * 0.99)];
    if (json)
        printf("{\"call\":\"%s\",\"predictions\":%zu,\"median_ns\":%llu,\"p99_ns\":%llu,"
               "\"min_ns\":%llu,\"mean_ns\":%.1f}\n",
               call, n, median, p99, least, sum / (double)n);
    else
        printf("%s, %zu predictions: median %llu ns, p99 %llu ns, min %llu ns, mean %.1f ns\n",
               call, n, median, p99, least, sum / (double)n);
    return INFER_CLI_OK;
}

/* How many runs a profile has where nobody says. */
#define PROFILE_RUNS 20

static bool read_number(const char *text, long long least, long long most, long long *number) {
    char *end;
    *number = strtoll(text, &end, 10);
    return end != text && !*end && *number >= least && *number <= most;
}

int infer_cli_bench(const infer_cli_command *command, int argc, char **argv) {
    const char *count = NULL, *threads = "1", *shape = NULL, *trace = NULL, *page = NULL;
    bool json = false, profile = false;
    const infer_cli_option options[] = {
        {"count", 'n', "N", "predictions to time (default 10000, of a profile 20)", &count},
        {"threads", 't', "N", "that share a run (default 1), or all", &threads},
        {"shape", 0, "SHAPES", "of inputs: x=1,3,224,224;y=2 (extents not given: 1)", &shape},
        {"profile", 'p', NULL, "what each node takes, beside what the machine can do", &profile},
        {"trace", 0, "FILE", "and as a trace for chrome://tracing", &trace},
        {"page", 0, "FILE", "and as a page with a bar for each node", &page},
        {"json", 0, NULL, "as one JSON object", &json},
    };
    int code = infer_cli_parse(command, options, sizeof options / sizeof *options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return infer_cli_misused(command, "one MODEL is needed");
    profile = profile || trace || page;
    long long n = profile ? PROFILE_RUNS : 10000, t = 1, most = profile ? 10000 : 1000000000;
    infer_cli_shapes shapes;
    if (count && !read_number(count, 1, most, &n))
        return infer_cli_misused(command, "--count %s is no number from 1 to %lld", count, most);
    if (strcmp(threads, "all") != 0 && !read_number(threads, 1, 1024, &t))
        return infer_cli_misused(command, "--threads %s is no number from 1 to 1024, or all",
                                 threads);
    if (!infer_cli_read_shapes(shape, &shapes))
        return infer_cli_misused(command, "--shape %s is not of the form x=1,3,224,224;y=2", shape);
    subject s = {.random = 88172645463325252ULL};
    infer_options o;
    infer_options_init(&o);
    o.threads = strcmp(threads, "all") == 0 ? INFER_THREADS_ALL : (uint32_t)t;
    infer_status status = infer_load_with(argv[0], &o, &s.model);
    if (status != INFER_OK)
        return infer_cli_failed(argv[0], status);
    s.feature_count = infer_model_feature_count(s.model);
    s.output_count = infer_model_output_count(s.model);
    bool rows = s.feature_count && s.output_count && infer_model_inputs(s.model) == 1;
    code = rows && !profile && !shape ? prepare_predict(&s) : prepare_run(&s, &shapes);
    if (!code && profile)
        code = infer_cli_profile_run(&s, argv[0], (size_t)n, infer_context_threads(s.context), json,
                                     trace, page);
    else if (!code)
        code = measure(&s, (size_t)n, json);
    infer_context_free(s.context);
    infer_cli_pool_free(&s.pool);
    infer_free(s.model);
    return code;
}
