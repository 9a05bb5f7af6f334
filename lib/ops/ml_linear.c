/* LinearRegressor and LinearClassifier. */
#include "ml.h"
#include "ml_link.h"

/* ---- what both share ---- */

typedef struct linear {
    const float *w, *b; /* [outputs][features]; b may be NULL */
    size_t features, outputs;
} linear;

/* Refuses lists that do not make `outputs` rows of the input's features. A longer list counts as
 * far as the rows go, as onnxruntime reads it: old converters declared fewer features than there
 * are. */
static infer_status check_lists(const infer_list *coefficients, const infer_list *intercepts,
                                uint64_t outputs, int64_t features) {
    if (outputs == 0 || coefficients->count == 0 || coefficients->count % outputs != 0)
        return infer_fail(INFER_ERROR_VALUE, "%llu coefficients do not make %llu rows",
                          (unsigned long long)coefficients->count, (unsigned long long)outputs);
    if (features >= 0 && coefficients->count / outputs < (uint64_t)features)
        return infer_fail(INFER_ERROR_SHAPE, "%llu coefficients a row for %lld features",
                          (unsigned long long)(coefficients->count / outputs), (long long)features);
    if (intercepts->count != 0 && intercepts->count != outputs)
        return infer_fail(INFER_ERROR_VALUE, "%llu intercepts for %llu rows of coefficients",
                          (unsigned long long)intercepts->count, (unsigned long long)outputs);
    return INFER_OK;
}

static linear read_linear(const infer_op_env *env, const infer_list *coefficients,
                          const infer_list *intercepts, size_t outputs, int64_t features) {
    linear m = {infer_list_data(env, coefficients), NULL, (size_t)features, outputs};
    if (intercepts->count)
        m.b = infer_list_data(env, intercepts);
    return m;
}

/* The scores of a row of double features, added up in double. */
static void row_double(const infer_kernels *k, const linear *m, const double *x, float *z) {
    infer_chunk w;
    for (size_t o = 0; o < m->outputs; o++) {
        double sum = m->b ? m->b[o] : 0;
        for (size_t c = 0; c < m->features; c += INFER_CHUNK) {
            size_t n = m->features - c < INFER_CHUNK ? m->features - c : INFER_CHUNK;
            sum += k->dot_f64(infer_load_double(INFER_TYPE_FLOAT, m->w, o * m->features + c, n, &w),
                              x + c, n);
        }
        z[o] = (float)sum;
    }
}

/* The scores of a row of integer features, as float. */
static void row_int(const infer_kernels *k, const linear *m, const infer_view *x, size_t row,
                    float *z) {
    infer_chunk f;
    for (size_t o = 0; o < m->outputs; o++)
        z[o] = m->b ? m->b[o] : 0;
    for (size_t c = 0; c < m->features; c += INFER_CHUNK) {
        size_t n = m->features - c < INFER_CHUNK ? m->features - c : INFER_CHUNK;
        const float *v =
            infer_load_float((infer_type)x->type, x->data, row * m->features + c, n, &f);
        for (size_t o = 0; o < m->outputs; o++)
            z[o] += k->dot_f32(m->w + o * m->features + c, v, n);
    }
}

static void linear_row(const infer_kernels *k, const linear *m, const infer_view *x, size_t row,
                       float *z) {
    if (x->type == INFER_TYPE_FLOAT)
        k->matvec_f32(m->outputs, m->features, m->w, m->features,
                      (const float *)x->data + row * m->features, m->b, z);
    else if (x->type == INFER_TYPE_DOUBLE)
        row_double(k, m, (const double *)x->data + row * m->features, z);
    else
        row_int(k, m, x, row, z);
}

/* ---- LinearRegressor ---- */

typedef struct regressor_params {
    infer_list coefficients, intercepts;
    int64_t targets, post_transform;
} regressor_params;

static const infer_op_attr regressor_attrs[] = {
    A_LIST(regressor_params, coefficients, FLOATS),
    A_LIST(regressor_params, intercepts, FLOATS),
    A_INT(regressor_params, targets, 1),
    A_ENUM(regressor_params, post_transform, INFER_POST_NONE, INFER_POST_TRANSFORMS),
};

static infer_status regressor_infer(infer_op_env *env) {
    const regressor_params *p = env->params;
    int64_t rows, features;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    if (p->targets < 1)
        return infer_fail(INFER_ERROR_VALUE, "%lld targets", (long long)p->targets);
    INFER_TRY(check_lists(&p->coefficients, &p->intercepts, (uint64_t)p->targets, features));
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_FLOAT, 2, &spare);
    y->dim[0] = rows;
    y->dim[1] = p->targets;
    return INFER_OK;
}

static infer_status regressor_run(infer_op_env *env) {
    const regressor_params *p = env->params;
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    int64_t rows, features;
    size_t targets = (size_t)p->targets;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    linear m = read_linear(env, &p->coefficients, &p->intercepts, targets, features);
    float *z = y->data;
    for (size_t r = 0; r < (size_t)rows; r++, z += targets) {
        linear_row(env->kernels, &m, env->in[0], r, z);
        infer_post_transform(env->kernels, p->post_transform, z, targets);
    }
    return INFER_OK;
}

const infer_op infer_op_linear_regressor = {
    INFER_ML_OP("LinearRegressor", 1, 1, 1, regressor_params, regressor_attrs),
    .types = {T_ML},
    .infer = regressor_infer,
    .run = regressor_run,
};

/* ---- LinearClassifier ---- */

typedef struct classifier_params {
    infer_list coefficients, intercepts, classlabels_ints, classlabels_strings;
    int64_t post_transform;
    int64_t multi_class; /* one-vs-rest or multinomial: evaluated alike, post_transform differs */
} classifier_params;

static const infer_op_attr classifier_attrs[] = {
    A_REQUIRED(classifier_params, coefficients, FLOATS),
    A_LIST(classifier_params, intercepts, FLOATS),
    A_LIST(classifier_params, classlabels_ints, INTS),
    A_LIST(classifier_params, classlabels_strings, STRINGS),
    A_ENUM(classifier_params, post_transform, INFER_POST_NONE, INFER_POST_TRANSFORMS),
    A_INT(classifier_params, multi_class, 0),
};

/* The class labels, and how many rows of coefficients there are: one serves two classes. */
typedef struct classes {
    const infer_list *labels; /* NULL: 0 and 1 */
    bool text;
    uint64_t count, outputs;
} classes;

static infer_status read_classes(const classifier_params *p, int64_t features, classes *c) {
    bool ints = p->classlabels_ints.count > 0, text = p->classlabels_strings.count > 0;
    if (ints && text)
        return infer_fail(INFER_ERROR_VALUE, "class labels are set both as integers and strings");
    c->labels = ints ? &p->classlabels_ints : text ? &p->classlabels_strings : NULL;
    c->text = text;
    c->count = c->labels ? c->labels->count : 1;
    c->outputs = c->count;
    /* With two labels there may be one row or two: the intercepts or the features tell. */
    if (c->count == 2 && (p->intercepts.count ? p->intercepts.count == 1
                                              : (uint64_t)features == p->coefficients.count))
        c->outputs = 1;
    return INFER_OK;
}

static infer_status classifier_infer(infer_op_env *env) {
    const classifier_params *p = env->params;
    int64_t rows, features;
    classes c = {0};
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    if (p->multi_class != 0 && p->multi_class != 1)
        return infer_fail(INFER_ERROR_VALUE, "multi_class is %lld", (long long)p->multi_class);
    INFER_TRY(read_classes(p, features, &c));
    if (features >= 0)
        INFER_TRY(check_lists(&p->coefficients, &p->intercepts, c.outputs, features));
    infer_view spare,
        *y = infer_out(env, 0, c.text ? INFER_TYPE_STRING : INFER_TYPE_INT64, 1, &spare);
    y->dim[0] = rows;
    y = infer_out(env, 1, INFER_TYPE_FLOAT, 2, &spare);
    y->dim[0] = rows;
    y->dim[1] = (int64_t)c.count;
    return INFER_OK;
}

/* The label of a row by its scores as they come out of the product. */
static size_t best_class(const float *z, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > z[best])
            best = i;
    return best;
}

static void write_label(const infer_op_env *env, const classes *c, infer_view *y, size_t row,
                        size_t label) {
    if (c->text)
        ((infer_string *)y->data)[row] = infer_list_string(env, c->labels, label);
    else
        ((int64_t *)y->data)[row] =
            c->labels ? ((const int64_t *)infer_list_data(env, c->labels))[label] : (int64_t)label;
}

/* One score s for two classes. NONE gives {1 - s, s} and so do the softmaxes, as in onnxruntime;
 * a probit is odd around one half. */
static void spread(const infer_kernels *k, int64_t transform, float s, float *z) {
    z[0] = transform == INFER_POST_LOGISTIC ? -s : 1 - s;
    z[1] = s;
    if (transform == INFER_POST_LOGISTIC)
        k->sigmoid_f32(z, z, 2);
    if (transform == INFER_POST_PROBIT) {
        z[1] = (float)infer_probit(s);
        z[0] = -z[1];
    }
}

#define FEW 64 /* scores that need no place of their own where nobody wants them */

static infer_status classifier_run(infer_op_env *env) {
    const classifier_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *label = env->out[0], *scores = env->out_count > 1 ? env->out[1] : NULL;
    int64_t rows, features;
    classes c = {0};
    INFER_TRY(infer_ml_rows(x, &rows, &features));
    INFER_TRY(read_classes(p, features, &c));
    linear m = read_linear(env, &p->coefficients, &p->intercepts, (size_t)c.outputs, features);
    float few[FEW], *z = few;
    if (!scores && c.count > FEW && !(z = env->alloc(env, (size_t)c.count * sizeof *z)))
        return INFER_ERROR_MEMORY;
    for (size_t r = 0; r < (size_t)rows; r++) {
        if (scores)
            z = (float *)scores->data + r * (size_t)c.count;
        linear_row(env->kernels, &m, x, r, z);
        size_t best = c.outputs == 1 ? z[0] > 0 : best_class(z, (size_t)c.outputs);
        if (label)
            write_label(env, &c, label, r, best);
        if (c.outputs == 1 && c.count == 2)
            spread(env->kernels, p->post_transform, z[0], z);
        else
            infer_post_transform(env->kernels, p->post_transform, z, (size_t)c.outputs);
    }
    return INFER_OK;
}

const infer_op infer_op_linear_classifier = {
    INFER_ML_OP("LinearClassifier", 1, 1, 2, classifier_params, classifier_attrs),
    .types = {T_ML},
    .infer = classifier_infer,
    .run = classifier_run,
};
