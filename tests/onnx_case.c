/* Running one case of ONNX's test data through the public interface. */
#define _POSIX_C_SOURCE 200809L
#include "onnx_case.h"

#include "engine.h"
#include "graph.h"
#include "onnx_graph.h"
#include "status.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORTS 256

/* ---- which operators a model needs ---- */

static bool in_list(const char *ops, const char *domain, const char *name) {
    char full[512];
    snprintf(full, sizeof full, "%s%s%s", domain, domain[0] ? "." : "", name);
    for (const char *at = ops + strspn(ops, ", \n"); *at; at += strspn(at, ", \n")) {
        size_t size = strcspn(at, ", \n");
        if (size == strlen(full) && memcmp(at, full, size) == 0)
            return true;
        at += size;
    }
    return false;
}

static bool operator_known(const char *domain, const char *name, int64_t version) {
    for (size_t i = 0; i < infer_operators(); i++) {
        const char *d, *n;
        int since, newest;
        if (infer_operator(i, &d, &n, &since, &newest) == INFER_OK && strcmp(d, domain) == 0 &&
            strcmp(n, name) == 0)
            return version >= since && version <= newest;
    }
    return false;
}

static int64_t version_of(const Infer__Onnx__ModelProto *m, const char *domain) {
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (strcmp(infer_onnx_domain(m->opset_import[i]->domain), domain) == 0)
            return m->opset_import[i]->version;
    return 1;
}

static bool is_function(const Infer__Onnx__ModelProto *m, const char *domain, const char *name) {
    for (size_t i = 0; i < m->n_functions; i++)
        if (strcmp(infer_onnx_domain(m->functions[i]->domain), domain) == 0 &&
            m->functions[i]->name && strcmp(m->functions[i]->name, name) == 0)
            return true;
    return false;
}

static bool wanted(const Infer__Onnx__ModelProto *m, const char *domain, const char *name,
                   const char *ops) {
    if (is_function(m, domain, name))
        return true;
    if (strcmp(ops, "supported") == 0)
        return operator_known(domain, name, version_of(m, domain));
    return in_list(ops, domain, name);
}

/* The first operator among the nodes, and in their subgraphs, that is not asked for. */
static const char *first_missing(const Infer__Onnx__ModelProto *m,
                                 Infer__Onnx__NodeProto *const *nodes, size_t count,
                                 const char *ops) {
    for (size_t i = 0; i < count; i++) {
        const char *domain = infer_onnx_domain(nodes[i]->domain);
        const char *name = nodes[i]->op_type ? nodes[i]->op_type : "";
        if (!wanted(m, domain, name, ops))
            return name;
        for (size_t a = 0; a < nodes[i]->n_attribute; a++) {
            const Infer__Onnx__GraphProto *g = nodes[i]->attribute[a]->g;
            const char *inner = g ? first_missing(m, g->node, g->n_node, ops) : NULL;
            if (inner)
                return inner;
        }
    }
    return NULL;
}

static const char *missing_operator(const Infer__Onnx__ModelProto *m, const char *ops) {
    const char *missing = first_missing(m, m->graph->node, m->graph->n_node, ops);
    for (size_t i = 0; i < m->n_functions && !missing; i++)
        missing = first_missing(m, m->functions[i]->node, m->functions[i]->n_node, ops);
    return missing;
}

/* ---- one data set ---- */

/* Whether a case is a file by itself, not a folder. */
static bool is_light(const char *folder) {
    size_t size = strlen(folder);
    return size > 5 && strcmp(folder + size - 5, ".onnx") == 0;
}

/* Puts a path together, as printf does. */
__attribute__((format(printf, 3, 4))) static infer_status make_path(char *path, size_t size,
                                                                    const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(path, size, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= size)
        return infer_fail(INFER_ERROR_IO, "a path is longer than %zu bytes", size - 1);
    return INFER_OK;
}

/* Reads file number index of a data set; false where there is none. */
static bool read_port(infer_onnx_reader *r, const char *set, const char *prefix, size_t index,
                      uint32_t kind, infer_value *value, infer_status *status) {
    char path[PATH_MAX];
    infer_map map;
    *status = make_path(path, sizeof path, "%s/%s_%zu.pb", set, prefix, index);
    if (*status == INFER_OK && access(path, R_OK) != 0)
        return false;
    if (*status == INFER_OK)
        *status = infer_map_file(path, &map);
    if (*status != INFER_OK)
        return true;
    *status = read_value(r, kind, map.data, map.size, value);
    infer_unmap(&map);
    if (*status != INFER_OK)
        infer_fail_within(*status, "%s", path);
    return true;
}

typedef infer_status describe_port(const infer_model *, size_t, infer_value_info *);

/* A file says nothing of the values of an empty map: they have the type that the port spells. */
static void name_values(infer_value *value, const infer_value_info *info) {
    const char *spelled = info->type_string ? strstr(info->type_string, "tensor(") : NULL;
    if (value->kind != INFER_KIND_MAP || value->count || !spelled)
        return;
    spelled += strlen("tensor(");
    for (uint32_t type = 1; infer_type_size((infer_type)type); type++) {
        const char *name = infer_type_name((infer_type)type);
        if (strncmp(spelled, name, strlen(name)) == 0 && spelled[strlen(name)] == ')')
            ((infer_value *)value->data)[1].type = type;
    }
}

static infer_status read_ports(infer_onnx_reader *r, const infer_model *model, const char *set,
                               const char *prefix, describe_port *describe, infer_value *values,
                               size_t *count) {
    for (*count = 0; *count < PORTS; ++*count) {
        infer_value_info info = {.struct_size = sizeof info};
        infer_status status = INFER_OK;
        /* Files beyond the model's ports are counted, and fail the case. */
        if (describe(model, *count, &info) != INFER_OK)
            info.kind = INFER_KIND_TENSOR;
        if (!read_port(r, set, prefix, *count, info.kind, &values[*count], &status))
            break;
        INFER_TRY(status);
        /* How older releases had bfloat16 in their data. */
        if (info.type == INFER_TYPE_BFLOAT16 && values[*count].type == INFER_TYPE_UINT16)
            values[*count].type = INFER_TYPE_BFLOAT16;
        name_values(&values[*count], &info);
    }
    return INFER_OK;
}

static infer_status compare_outputs(const infer_model *model, const infer_value *got,
                                    const infer_value *expected, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char why[512];
        infer_value_info info = {.struct_size = sizeof info};
        infer_model_output(model, i, &info);
        if (!same_value(&got[i], &expected[i], why, sizeof why))
            return infer_fail(INFER_ERROR_VALUE, "output %zu \"%s\": %s", i, info.name, why);
    }
    return INFER_OK;
}

/* ---- threads ---- */

#define THREADS 3

/* Whether two values are the same to the last bit; NaN equals any NaN of its bits alone. */
static bool same_bits(const infer_value *a, const infer_value *b) {
    if (a->kind != b->kind || a->type != b->type || a->count != b->count || a->rank != b->rank)
        return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    if (a->kind != INFER_KIND_TENSOR) {
        size_t members = a->kind == INFER_KIND_MAP ? 2 : a->count;
        for (size_t i = 0; i < members; i++)
            if (!same_bits((const infer_value *)a->data + i, (const infer_value *)b->data + i))
                return false;
        return true;
    }
    if (a->type != INFER_TYPE_STRING)
        return !a->count ||
               memcmp(a->data, b->data, a->count * infer_type_size((infer_type)a->type)) == 0;
    const infer_string *x = a->data, *y = b->data;
    for (size_t i = 0; i < a->count; i++)
        if (x[i].size != y[i].size || memcmp(x[i].data, y[i].data, x[i].size) != 0)
            return false;
    return true;
}

/* Runs the model in several threads, with every bit of work that can be cut cut in parts: the
 * answers are the ones that were got in one. */
static infer_status judge_threads(infer_model *model, const infer_value *inputs, size_t in_count,
                                  const infer_value *got, size_t count) {
    infer_value threaded[PORTS] = {0};
    infer_context *context;
    infer_pool *pool;
    INFER_TRY(infer_pool_new(THREADS, NULL, &pool));
    infer_status status = infer_context_new(model, &context);
    if (status == INFER_OK)
        status = infer_context_set_pool(context, pool);
    if (status == INFER_OK) {
        context->part_cost = 1e-3f;
        status = infer_run(context, NULL, inputs, in_count, NULL, threaded, count);
    }
    for (size_t i = 0; status == INFER_OK && i < count; i++)
        if (!same_bits(&got[i], &threaded[i]))
            status =
                infer_fail(INFER_ERROR_VALUE, "output %zu: %d threads give other bits", i, THREADS);
    infer_context_free(context);
    infer_pool_free(pool);
    return status;
}

/* ---- what is drawn at random ---- */

#define DRAWS 2000

/* Bernoulli's outputs, which are drawn: zeros and ones that have, over many runs, the mean that the
 * input asks for, within five standard deviations. With a seed all runs are the same, and the mean
 * over the elements has to do. ONNX's expansion of the function asks whether the draw is greater
 * than the probability, so that its ones are the zeros of the operator. */
static infer_status judge_draws(infer_context *context, const infer_value *inputs,
                                const infer_value *expected, bool expanded) {
    double sums[64] = {0}, wanted[64], all = 0, variance = 0, mean = 0;
    size_t count = expected->count, same = 0;
    infer_value got, first[64];
    if (count > 64 || inputs[0].count != count)
        return infer_fail(INFER_ERROR_VALUE, "%zu elements are too many to judge", count);
    for (int run = 0; run < DRAWS; run++) {
        got = (infer_value){0};
        INFER_TRY(infer_run(context, NULL, inputs, 1, NULL, &got, 1));
        if (got.type != expected->type || got.count != count)
            return infer_fail(INFER_ERROR_VALUE, "the type or shape differs");
        size_t equal = 0;
        for (size_t i = 0; i < count; i++) {
            double x = value_number(&got, i);
            if (x != 0 && x != 1)
                return infer_fail(INFER_ERROR_VALUE, "element %zu is %g", i, x);
            first[i].count = run ? first[i].count : (size_t)x;
            equal += first[i].count == (size_t)x;
            sums[i] += x;
        }
        same += equal == count;
    }
    for (size_t i = 0; i < count; i++) {
        wanted[i] = expanded ? 1 - value_number(&inputs[0], i) : value_number(&inputs[0], i);
        all += wanted[i];
        mean += sums[i] / DRAWS;
        variance += wanted[i] * (1 - wanted[i]);
        double off = fabs(sums[i] / DRAWS - wanted[i]);
        if (same != DRAWS && off > 5 * sqrt(wanted[i] * (1 - wanted[i]) / DRAWS))
            return infer_fail(INFER_ERROR_VALUE, "element %zu has mean %g, expected %g", i,
                              sums[i] / DRAWS, wanted[i]);
    }
    if (fabs(mean - all) > 5 * sqrt(variance))
        return infer_fail(INFER_ERROR_VALUE, "%g ones, expected about %g", mean, all);
    return INFER_OK;
}

static bool is_random(const char *set) {
    return strstr(set, "/test_bernoulli") != NULL;
}

/* Operators that draw without a seed. */
static bool draws(const infer_model *model) {
    for (size_t i = 0; i < infer_model_nodes(model); i++) {
        const char *name, *domain, *op;
        if (infer_model_node(model, i, &name, &domain, &op) == INFER_OK && strstr(op, "Random"))
            return true;
    }
    return false;
}

static infer_status run_set(infer_onnx_reader *r, infer_model *model, infer_context *context,
                            const char *set) {
    infer_value inputs[PORTS], expected[PORTS], got[PORTS];
    size_t in_count, out_count;
    INFER_TRY(read_ports(r, model, set, "input", infer_model_input, inputs, &in_count));
    INFER_TRY(read_ports(r, model, set, "output", infer_model_output, expected, &out_count));
    if (out_count != infer_model_outputs(model))
        return infer_fail(INFER_ERROR_VALUE, "the model has %zu outputs, the data %zu",
                          infer_model_outputs(model), out_count);
    if (is_random(set))
        return judge_draws(context, inputs, expected, strstr(set, "_expanded/") != NULL);
    /* The second run goes by the plan that the first one made. */
    for (int again = 0; again < 2; again++) {
        memset(got, 0, sizeof got);
        INFER_TRY(infer_run(context, NULL, inputs, in_count, NULL, got, out_count));
        infer_status status = compare_outputs(model, got, expected, out_count);
        if (status != INFER_OK)
            return again ? infer_fail_within(status, "second run") : status;
    }
    return draws(model) ? INFER_OK : judge_threads(model, inputs, in_count, got, out_count);
}

/* ---- models without weights ---- */

/* "light_NAME.onnx" has constants in place of its weights and one answer, NAME_output_0.pb, for the
 * input 0, 1/n, 2/n, ... of its n elements, as ONNX's own runner makes it. */
static infer_status run_light(infer_onnx_reader *r, infer_model *model, infer_context *context,
                              const char *path) {
    infer_value_info info = {.struct_size = sizeof info};
    infer_value input = {.type = INFER_TYPE_FLOAT, .count = 1}, expected, got = {0};
    int64_t shape[INFER_MAX_RANK];
    infer_status status;
    char prefix[PATH_MAX];
    INFER_TRY(infer_model_input(model, 0, &info));
    input.rank = (uint32_t)info.rank;
    input.shape = shape;
    for (uint32_t i = 0; i < input.rank; i++) {
        shape[i] = info.shape[i] < 0 ? 1 : info.shape[i];
        input.count *= (size_t)shape[i];
    }
    float *x = infer_onnx_alloc(r, input.count * sizeof *x);
    if (!x)
        return r->refused;
    for (size_t i = 0; i < input.count; i++)
        x[i] = (float)((double)i / (double)input.count);
    input.data = x;
    INFER_TRY(make_path(prefix, sizeof prefix, "%.*s_output", (int)strlen(path) - 5, path));
    const char *name = strrchr(prefix, '/') + 1;
    char folder[PATH_MAX];
    INFER_TRY(make_path(folder, sizeof folder, "%.*s", (int)(name - prefix) - 1, prefix));
    if (!read_port(r, folder, name, 0, INFER_KIND_TENSOR, &expected, &status))
        return infer_fail(INFER_ERROR_IO, "%s_0.pb is not there", prefix);
    INFER_TRY(status);
    INFER_TRY(infer_run(context, NULL, &input, 1, NULL, &got, 1));
    INFER_TRY(compare_outputs(model, &got, &expected, 1));
    return judge_threads(model, &input, 1, &got, 1);
}

static infer_status run_sets(infer_model *model, const char *folder) {
    infer_context *context;
    INFER_TRY(infer_context_new(model, &context));
    infer_status status = INFER_OK;
    if (is_light(folder)) {
        infer_onnx_reader r;
        infer_onnx_reader_init(&r, &infer_libc_allocator, 0, NULL);
        status = run_light(&r, model, context, folder);
        infer_onnx_reader_free(&r);
    }
    for (size_t set = 0; status == INFER_OK && !is_light(folder); set++) {
        char path[PATH_MAX];
        infer_onnx_reader r;
        status = make_path(path, sizeof path, "%s/test_data_set_%zu", folder, set);
        if (status != INFER_OK || access(path, R_OK) != 0)
            break;
        infer_onnx_reader_init(&r, &infer_libc_allocator, 0, NULL);
        status = run_set(&r, model, context, path);
        infer_onnx_reader_free(&r);
    }
    infer_context_free(context);
    return status;
}

/* ---- the case ---- */

/* The model as it comes back from its prepared image. Without this call a program that only opens
 * images has no operators. */
static infer_status reopen(const infer_model *model, const infer_options *given,
                           infer_model **opened) {
    infer_options options = *given;
    const char *temporary = getenv("TMPDIR");
    char path[PATH_MAX];
    INFER_TRY(make_path(path, sizeof path, "%s/onnx_runner.%ld.infer",
                        temporary ? temporary : "/tmp", (long)getpid()));
    INFER_TRY(infer_save(model, path));
    infer_link_operators();
    options.without = NULL; /* it was left out */
    infer_status status = infer_open_with(path, &options, opened);
    unlink(path);
    return status;
}

static infer_status run_model(const char *path, const char *folder, bool from_image,
                              const infer_options *given, const infer_allocator *allocator) {
    infer_model *model, *opened = NULL;
    infer_options options = *given;
    options.allocator = allocator;
    /* Some models are a few kilobytes that say how to make half a gigabyte of weights. */
    options.load_limit = (size_t)3 << 30;
    INFER_TRY(infer_load_with(path, &options, &model));
    infer_status status = from_image ? reopen(model, &options, &opened) : INFER_OK;
    if (status == INFER_OK)
        status = run_sets(from_image ? opened : model, folder);
    infer_free(opened);
    infer_free(model);
    return status;
}

/* ---- memory that fails ---- */

typedef struct refusing {
    size_t calls, refused, out; /* call number `refused` fails; pieces that are out */
} refusing;

static void *refusing_alloc(void *user, size_t size) {
    refusing *r = user;
    void *p = r->calls++ == r->refused ? NULL : infer_libc_allocator.alloc(NULL, size);
    r->out += p != NULL;
    return p;
}

static void refusing_free(void *user, void *pointer, size_t size) {
    ((refusing *)user)->out--;
    infer_libc_allocator.free(NULL, pointer, size);
}

/* The case with allocation 0, 1, ... refused, until it passes: each failure says MEMORY and leaves
 * nothing behind. Later ones are taken in growing steps. */
static infer_status starve(const char *path, const char *folder, const infer_options *options) {
    for (size_t n = 0;; n += 1 + n / 64) {
        refusing r = {.refused = n};
        infer_allocator allocator = {refusing_alloc, refusing_free, &r};
        infer_status status = run_model(path, folder, false, options, &allocator);
        if (r.out)
            return infer_fail(INFER_ERROR_STATE, "allocation %zu of %zu fails: %zu are left behind",
                              n, r.calls, r.out);
        if (r.calls <= n)
            return status;
        if (status != INFER_ERROR_MEMORY && status != INFER_OK)
            return infer_fail_within(status, "allocation %zu of %zu fails", n, r.calls);
    }
}

/* Parses the model for what its case is about: its first operator, and one that is missing. */
static infer_status survey(const char *path, const char *ops, char *about, size_t size,
                           bool *missing) {
    infer_map map;
    infer_onnx_reader r;
    ProtobufCMessage *message;
    INFER_TRY(infer_map_file(path, &map));
    infer_onnx_reader_init(&r, &infer_libc_allocator, 0, NULL);
    infer_status status =
        infer_onnx_unpack(&r, &infer__onnx__model_proto__descriptor, map.data, map.size, &message);
    infer_unmap(&map);
    if (status == INFER_OK) {
        const Infer__Onnx__ModelProto *m = (const Infer__Onnx__ModelProto *)message;
        const Infer__Onnx__GraphProto *g = m->graph;
        const char *lacking = g && ops ? missing_operator(m, ops) : NULL;
        const char *first = g && g->n_node && g->node[0]->op_type ? g->node[0]->op_type : "";
        *missing = lacking != NULL;
        snprintf(about, size, "%.100s", lacking ? lacking : first);
    }
    infer_onnx_reader_free(&r);
    return status;
}

case_result run_case(const char *folder, const char *ops, case_kind kind,
                     const infer_options *options, char *message, size_t size) {
    char path[PATH_MAX], data[PATH_MAX], about[128] = "";
    bool missing = false;
    message[0] = 0;
    bool light = is_light(folder);
    infer_status status = make_path(path, sizeof path, light ? "%s" : "%s/model.onnx", folder);
    if (status == INFER_OK)
        status = make_path(data, sizeof data, light ? "%s" : "%s/test_data_set_0", folder);
    if (status == INFER_OK)
        status = survey(path, ops, about, sizeof about, &missing);
    if (status == INFER_OK && missing)
        return CASE_UNSELECTED;
    if (status == INFER_OK && access(data, R_OK) != 0) {
        snprintf(message, size, "there is no test_data_set_0");
        return CASE_SKIPPED;
    }
    if (status == INFER_OK)
        status = kind == CASE_STARVED
                     ? starve(path, folder, options)
                     : run_model(path, folder, kind == CASE_FROM_IMAGE, options, NULL);
    if (status == INFER_OK)
        return CASE_PASSED;
    snprintf(message, size, "[%s] %s: %s", about, infer_status_name(status), infer_last_error());
    return CASE_FAILED;
}
