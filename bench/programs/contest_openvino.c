/* OpenVINO in a contest, through its C API: a compiled model with one request, tuned for latency,
 * computing in float where the model does. */
#include "contest.h"

#include <openvino/c/openvino.h>
#include <stdio.h>
#include <string.h>

#define SYMBOLS(X)                                                                                 \
    X(ov_get_last_err_msg)                                                                         \
    X(ov_get_error_info)                                                                           \
    X(ov_core_create)                                                                              \
    X(ov_core_compile_model_from_file)                                                             \
    X(ov_compiled_model_create_infer_request)                                                      \
    X(ov_compiled_model_outputs_size)                                                              \
    X(ov_shape_create)                                                                             \
    X(ov_tensor_create_from_host_ptr)                                                              \
    X(ov_tensor_get_element_type)                                                                  \
    X(ov_tensor_get_size)                                                                          \
    X(ov_tensor_data)                                                                              \
    X(ov_tensor_free)                                                                              \
    X(ov_infer_request_set_tensor)                                                                 \
    X(ov_infer_request_infer)                                                                      \
    X(ov_infer_request_get_output_tensor_by_index)

typedef struct openvino_api {
    SYMBOLS(CONTEST_FIELD)
} openvino_api;

typedef struct state {
    openvino_api api;
    ov_core_t *core;
    ov_compiled_model_t *model;
    ov_infer_request_t *request;
    const feeds *all;
    ov_tensor_t **inputs; /* of all feeds */
    int used[CONTEST_TENSORS];
    size_t output_count;
} state;

/* X(OpenVINO's type, ONNX's number) */
#define TYPES(X)                                                                                   \
    X(F32, 1)                                                                                      \
    X(U8, 2) X(I8, 3) X(U16, 4) X(I16, 5) X(I32, 6) X(I64, 7) X(BOOLEAN, 9) X(F16, 10) X(F64, 11)

static int ok(const state *s, ov_status_e status) {
    if (status == OK)
        return 1;
    const char *text = s->api.ov_get_last_err_msg();
    return contest_fail("%s", text && *text ? text : s->api.ov_get_error_info(status));
}

static int read_api(void *handle, openvino_api *into) {
    void *symbol;
    SYMBOLS(CONTEST_READ)
    return 1;
}

static void *start(const char *library) {
    void *handle = contest_library(library);
    state *s = contest_new(1, sizeof *s);
    return handle && read_api(handle, &s->api) && ok(s, s->api.ov_core_create(&s->core)) ? s : NULL;
}

static int make_tensor(const state *s, const tensor *t, ov_tensor_t **made) {
    ov_element_type_e type = DYNAMIC;
    ov_shape_t shape;
#define FROM(theirs, number)                                                                       \
    if (t->type == (number))                                                                       \
        type = theirs;
    TYPES(FROM)
    return ok(s, s->api.ov_shape_create(t->rank, t->shape, &shape)) &&
           ok(s, s->api.ov_tensor_create_from_host_ptr(type, shape, t->data, made));
}

static int open_model(void *of, const char *model, int *threads, const feeds *all) {
    state *s = of;
    char count[16];
    snprintf(count, sizeof count, "%d", *threads);
    s->all = all;
    if (!ok(s, s->api.ov_core_compile_model_from_file(
                   s->core, model, "CPU", 10, &s->model, "INFERENCE_NUM_THREADS", count,
                   "NUM_STREAMS", "1", "PERFORMANCE_HINT", "LATENCY", "INFERENCE_PRECISION_HINT",
                   "f32", "ENABLE_CPU_PINNING", "NO")) ||
        !ok(s, s->api.ov_compiled_model_create_infer_request(s->model, &s->request)) ||
        !ok(s, s->api.ov_compiled_model_outputs_size(s->model, &s->output_count)))
        return 0;
    size_t inputs = all->items[0].count;
    if (s->output_count > CONTEST_TENSORS || inputs > CONTEST_TENSORS)
        return contest_fail("%zu outputs", s->output_count);
    s->inputs = contest_new(inputs * all->count, sizeof(ov_tensor_t *));
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = 0; j < inputs; j++)
            if (!make_tensor(s, &all->items[i].inputs[j], &s->inputs[i * inputs + j]))
                return 0;
    /* Inputs that nothing reads are gone from a compiled model. */
    int any = 0;
    for (size_t j = 0; j < inputs; j++)
        any |= s->used[j] = ok(s, s->api.ov_infer_request_set_tensor(
                                      s->request, all->items[0].inputs[j].name, s->inputs[j]));
    return any;
}

static int run(void *of, size_t number) {
    state *s = of;
    const feed *one = &s->all->items[number];
    for (size_t j = 0; j < one->count; j++)
        if (s->used[j] &&
            !ok(s, s->api.ov_infer_request_set_tensor(s->request, one->inputs[j].name,
                                                      s->inputs[number * one->count + j])))
            return 0;
    return ok(s, s->api.ov_infer_request_infer(s->request));
}

static size_t answers(void *of, answer *into) {
    state *s = of;
    for (size_t i = 0; i < s->output_count; i++) {
        ov_tensor_t *tensor;
        ov_element_type_e type;
        void *data;
        into[i] = (answer){NULL, 0, 0};
        if (!ok(s, s->api.ov_infer_request_get_output_tensor_by_index(s->request, i, &tensor)))
            continue;
        if (ok(s, s->api.ov_tensor_get_element_type(tensor, &type)) &&
            ok(s, s->api.ov_tensor_get_size(tensor, &into[i].count)) &&
            ok(s, s->api.ov_tensor_data(tensor, &data))) {
            into[i].data = data;
#define TO(theirs, number)                                                                         \
    if (type == (theirs))                                                                          \
        into[i].type = (number);
            TYPES(TO)
        }
        s->api.ov_tensor_free(tensor);
    }
    return s->output_count;
}

const runtime contest_openvino = {"openvino", start, open_model, run, answers, NULL};
