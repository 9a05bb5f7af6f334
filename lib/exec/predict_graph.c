/* infer_predict for graphs: a spare context, the features as its input, the primary output. */
#include "checked.h"
#include "engine.h"
#include "status.h"
#include "types.h"

#include <math.h>
#include <string.h>

infer_status infer_program_of(infer_model *model, infer_program **program) {
    /* The only writer races with itself: the loser frees its own. */
    _Atomic(infer_program *) *slot = (void *)&model->program;
    infer_program *p = atomic_load(slot), *made = NULL;
    if (!p) {
        INFER_TRY(infer_program_new(model, &made));
        if (atomic_compare_exchange_strong(slot, &p, made))
            p = made;
        else
            infer_program_free(model, made);
    }
    *program = p;
    return INFER_OK;
}

static infer_status take_context(infer_model *m, infer_context **context) {
    infer_program *p;
    INFER_TRY(infer_program_of(m, &p));
    for (size_t i = 0; i < INFER_SPARE_CONTEXTS; i++)
        if ((*context = atomic_exchange(&p->spare[i], NULL)))
            return INFER_OK;
    return infer_context_new(m, context);
}

static void leave_context(infer_program *p, infer_context *c) {
    for (size_t i = 0; i < INFER_SPARE_CONTEXTS; i++) {
        infer_context *none = NULL;
        if (atomic_compare_exchange_strong(&p->spare[i], &none, c))
            return;
    }
    infer_context_free(c);
}

/* The extents of the model's input for n features: the first dynamic one takes what is left. */
static infer_status input_shape(const infer_model *m, size_t n, int64_t *dim, uint32_t *rank) {
    const infer_image_port *p = m->image.inputs;
    *rank = p->rank < 0 ? 2 : (uint32_t)p->rank;
    if (p->rank < 0) {
        dim[0] = 1;
        dim[1] = (int64_t)n;
        return INFER_OK;
    }
    size_t known = 1;
    int32_t open = -1;
    for (int32_t i = 0; i < p->rank; i++) {
        dim[i] = m->image.extents[p->extents + (uint32_t)i];
        if (dim[i] >= 0) {
            if (!infer_mul(known, (size_t)dim[i], &known))
                return infer_fail(INFER_ERROR_SHAPE, "the input's extents do not fit memory");
        } else if (open < 0 || m->features == 0) {
            /* With several dynamic extents the features are one row: the last one takes them. */
            if (open >= 0)
                dim[open] = 1;
            open = i;
        } else {
            dim[i] = 1;
        }
    }
    if (known == 0 || n % known || (open < 0 && n != known))
        return infer_fail(INFER_ERROR_SHAPE, "%zu features were given, the model takes %zu", n,
                          known);
    if (open >= 0)
        dim[open] = (int64_t)(n / known);
    return INFER_OK;
}

/* Numbers of the caller: float or double. */
typedef struct numbers {
    void *data;
    bool wide;
} numbers;

static double get(const numbers *x, size_t i) {
    return x->wide ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
}

static void put(const numbers *y, size_t i, double value) {
    if (y->wide)
        ((double *)y->data)[i] = value;
    else
        ((float *)y->data)[i] = (float)value;
}

static bool is_whole(double x, size_t bits, bool is_signed) {
    double high = ldexp(1, (int)bits - is_signed);
    return x >= (is_signed ? -high : 0) && x < high && x == trunc(x);
}

/* The caller's features as whatever number type the input has. */
static infer_status convert_in(infer_type type, const numbers *x, size_t n, void *to) {
    float narrow;
    switch (type) {
    case INFER_TYPE_FLOAT:
        for (size_t i = 0; i < n; i++)
            ((float *)to)[i] = (float)get(x, i);
        return INFER_OK;
    case INFER_TYPE_DOUBLE:
        for (size_t i = 0; i < n; i++)
            ((double *)to)[i] = get(x, i);
        return INFER_OK;
#define CASE(name, T)                                                                              \
    case INFER_TYPE_##name:                                                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            double v = get(x, i);                                                                  \
            if (!is_whole(v, 8 * sizeof(T), infer_type_kind(type) == INFER_CLASS_SIGNED))          \
                return infer_fail(INFER_ERROR_VALUE, "feature %zu is %g, the model takes %s", i,   \
                                  v, infer_type_name(type));                                       \
            ((T *)to)[i] = (T)v;                                                                   \
        }                                                                                          \
        return INFER_OK;
        INFER_INTEGER_TYPES(CASE)
#undef CASE
    case INFER_TYPE_BOOL:
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)to)[i] = get(x, i) != 0;
        return INFER_OK;
    case INFER_TYPE_FLOAT16:
    case INFER_TYPE_BFLOAT16:
        for (size_t i = 0; i < n; i++) {
            narrow = (float)get(x, i);
            infer_narrow(type, &narrow, (uint16_t *)to + i, 1, false);
        }
        return INFER_OK;
    default:
        return infer_fail(INFER_ERROR_TYPE, "infer_predict: the model takes %s, not numbers",
                          infer_type_name(type));
    }
}

/* n elements of v as y[first], y[first + 1], ... */
static infer_status convert_out(const infer_view *v, const numbers *y, size_t first, size_t n) {
    float wide;
    if (v->type == (y->wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT)) {
        size_t size = infer_type_size((infer_type)v->type);
        memcpy((char *)y->data + first * size, v->data, n * size);
        return INFER_OK;
    }
    switch ((infer_type)v->type) {
    case INFER_TYPE_FLOAT16:
    case INFER_TYPE_BFLOAT16:
        for (size_t i = 0; i < n; i++) {
            infer_widen((infer_type)v->type, (const uint16_t *)v->data + i, &wide, 1);
            put(y, first + i, (double)wide);
        }
        return INFER_OK;
#define CASE(name, T)                                                                              \
    case INFER_TYPE_##name:                                                                        \
        for (size_t i = 0; i < n; i++)                                                             \
            put(y, first + i, (double)((const T *)v->data)[i]);                                    \
        return INFER_OK;
        CASE(FLOAT, float)
        CASE(DOUBLE, double)
        CASE(BOOL, uint8_t)
        INFER_INTEGER_TYPES(CASE)
#undef CASE
    default:
        return infer_fail(INFER_ERROR_TYPE, "infer_predict: the output holds %s, not numbers",
                          infer_type_name((infer_type)v->type));
    }
}

/* The values of a ZipMap, row by row. */
static infer_status copy_zipmap(const infer_view *v, const numbers *y, size_t outputs) {
    size_t done = 0;
    const infer_view *rows = v->data;
    for (int64_t r = 0; r < v->dim[0]; r++) {
        const infer_view *values = (const infer_view *)rows[r].data + 1;
        size_t n = (size_t)infer_view_count(values);
        if (n > outputs - done)
            return infer_fail(INFER_ERROR_SHAPE, "room for %zu outputs was given, there are more",
                              outputs);
        INFER_TRY(convert_out(values, y, done, n));
        done += n;
    }
    return done == outputs ? INFER_OK
                           : infer_fail(INFER_ERROR_SHAPE,
                                        "room for %zu outputs was given, there "
                                        "are %zu",
                                        outputs, done);
}

static infer_status predict_in(infer_context *c, const numbers *x, size_t n, const numbers *y,
                               size_t outputs) {
    infer_model *m = c->model;
    const infer_image *image = &m->image;
    if (image->header->inputs.count != 1 || image->inputs->kind != INFER_KIND_TENSOR)
        return infer_fail(INFER_ERROR_TYPE,
                          "infer_predict: the model takes %llu inputs; use "
                          "infer_run",
                          (unsigned long long)image->header->inputs.count);
    int64_t dim[INFER_MAX_RANK];
    infer_value in = {.type = image->inputs->type, .shape = dim, .count = n, .data = x->data};
    INFER_TRY(input_shape(m, n, dim, &in.rank));
    size_t bytes;
    if (!infer_mul(n, infer_type_size((infer_type)in.type), &bytes))
        return infer_fail(INFER_ERROR_SHAPE, "%zu features do not fit memory", n);
    infer_arena_reset(&c->frames[0].dynamic);
    if (in.type != (x->wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT)) {
        if (!(in.data = infer_arena_alloc(&c->frames[0].dynamic, bytes ? bytes : 1)))
            return INFER_ERROR_MEMORY;
        INFER_TRY(convert_in((infer_type)in.type, x, n, in.data));
    }
    INFER_TRY(infer_run_inputs(c, NULL, &in, 1));
    const infer_view *out = &c->values[image->outputs[m->primary].value];
    if (out->kind == INFER_KIND_SEQUENCE)
        return copy_zipmap(out, y, outputs);
    if ((uint64_t)infer_view_count(out) != outputs)
        return infer_fail(INFER_ERROR_SHAPE, "room for %zu outputs was given, there are %lld",
                          outputs, (long long)infer_view_count(out));
    return convert_out(out, y, 0, outputs);
}

static infer_status predict(infer_model *m, const void *x, size_t n, void *y, size_t outputs,
                            infer_type type) {
    const numbers in = {(void *)x, type == INFER_TYPE_DOUBLE}, out = {y, in.wide};
    infer_context *c;
    INFER_TRY(take_context(m, &c));
    infer_status status = predict_in(c, &in, n, &out, outputs);
    leave_context(c->program, c);
    return status;
}

infer_status infer_context_predict_f64(infer_context *c, const double *x, size_t n, double *y,
                                       size_t outputs) {
    infer_model *m = c ? c->model : NULL;
    const numbers in = {(void *)x, true}, out = {y, true};
    if (m && m->is_linear)
        return infer_predict_f64(m, x, n, y, outputs);
    INFER_TRY(infer_check_predict(m, x, n, y));
    return predict_in(c, &in, n, &out, outputs);
}

static infer_status open_program(infer_model *m) {
    return infer_program_new(m, &m->program);
}

static void close_program(infer_model *m) {
    infer_program_free(m, m->program);
}

const infer_engine infer_engine_graph = {open_program, close_program, infer_program_labels,
                                         predict};
