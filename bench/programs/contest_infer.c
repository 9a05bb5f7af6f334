/* libinfer in a contest: infer_run, or infer_predict where one row of floats goes in and floats
 * come out. */
#include "contest.h"
#include "infer.h"

#include <string.h>

#define SYMBOLS(X)                                                                                 \
    X(infer_options_init)                                                                          \
    X(infer_load_with)                                                                             \
    X(infer_context_new)                                                                           \
    X(infer_run)                                                                                   \
    X(infer_predict)                                                                               \
    X(infer_context_memory)                                                                        \
    X(infer_last_error)                                                                            \
    X(infer_model_outputs)                                                                         \
    X(infer_model_feature_count)                                                                   \
    X(infer_model_output_count)

typedef struct infer_api {
    SYMBOLS(CONTEST_FIELD)
} infer_api;

typedef struct state {
    infer_api api;
    infer_model *model;
    infer_context *context;
    const feeds *all;
    const char **names;  /* of the inputs, as a feed has them */
    infer_value *inputs; /* of all feeds */
    infer_value outputs[CONTEST_TENSORS];
    size_t output_count;
    float *row; /* what infer_predict answers; NULL where it is not used */
    size_t row_count;
} state;

static int read_api(void *handle, infer_api *into) {
    void *symbol;
    SYMBOLS(CONTEST_READ)
    return 1;
}

static void *start(const char *library) {
    void *handle = contest_library(library);
    state *s = contest_new(1, sizeof *s);
    return handle && read_api(handle, &s->api) ? s : NULL;
}

static int failed(const state *s) {
    return contest_fail("%s", s->api.infer_last_error());
}

static int open_model(void *of, const char *model, int *threads, const feeds *all) {
    state *s = of;
    infer_options options;
    s->api.infer_options_init(&options);
    options.struct_size = sizeof options;
    options.threads = (uint32_t)*threads;
    infer_status status = s->api.infer_load_with(model, &options, &s->model);
    if (status != INFER_OK)
        return failed(s);
    s->all = all;
    s->output_count = s->api.infer_model_outputs(s->model);
    if (s->output_count > CONTEST_TENSORS)
        return contest_fail("%zu outputs", s->output_count);
    const feed *first = &all->items[0];
    size_t features = s->api.infer_model_feature_count(s->model);
    s->row_count = s->api.infer_model_output_count(s->model);
    if (first->count == 1 && first->inputs[0].type == INFER_TYPE_FLOAT &&
        first->inputs[0].rank == 2 && features && features == first->inputs[0].count &&
        s->row_count) {
        s->row = contest_new(s->row_count, sizeof *s->row);
        return 1;
    }
    if (s->api.infer_context_new(s->model, &s->context) != INFER_OK)
        return failed(s);
    s->names = contest_new(first->count, sizeof *s->names);
    s->inputs = contest_new(first->count * all->count, sizeof *s->inputs);
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = 0; j < first->count; j++) {
            tensor *t = &all->items[i].inputs[j];
            s->names[j] = t->name;
            s->inputs[i * first->count + j] = (infer_value){.kind = INFER_KIND_TENSOR,
                                                            .type = (uint32_t)t->type,
                                                            .rank = (uint32_t)t->rank,
                                                            .shape = t->shape,
                                                            .data = t->data,
                                                            .count = t->count};
        }
    return 1;
}

static int run(void *of, size_t number) {
    state *s = of;
    const feed *one = &s->all->items[number];
    if (s->row)
        return s->api.infer_predict(s->model, one->inputs[0].data, one->inputs[0].count, s->row,
                                    s->row_count) == INFER_OK
                   ? 1
                   : failed(s);
    memset(s->outputs, 0, s->output_count * sizeof *s->outputs);
    return s->api.infer_run(s->context, s->names, s->inputs + number * one->count, one->count, NULL,
                            s->outputs, s->output_count) == INFER_OK
               ? 1
               : failed(s);
}

static size_t answers(void *of, answer *into) {
    state *s = of;
    if (s->row) {
        into[0] = (answer){s->row, INFER_TYPE_FLOAT, s->row_count};
        return 1;
    }
    for (size_t i = 0; i < s->output_count; i++) {
        const infer_value *v = &s->outputs[i];
        into[i] = (answer){v->kind == INFER_KIND_TENSOR ? v->data : NULL, (int)v->type, v->count};
    }
    return s->output_count;
}

static size_t held(void *of) {
    const state *s = of;
    return s->context ? s->api.infer_context_memory(s->context) : 0;
}

const runtime contest_infer = {"libinfer", start, open_model, run, answers, held};
