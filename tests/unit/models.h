/* Small models of each kind for the tests that need any model. */
#ifndef INFER_TESTS_MODELS_H
#define INFER_TESTS_MODELS_H

#include "infer.h"

enum { MODEL_REGRESSION, MODEL_BINARY, MODEL_SOFTMAX_STRINGS, MODEL_EXP, MODEL_KINDS };

static const double model_coefficients[] = {0.1, -0.25, 3, 0.7, 1e-3, -2, 0.3, 0.9, -1.5};
static const double model_intercepts[] = {0.5, -0.1, 0.2};
static const int64_t model_ints[] = {-7, 1};
static const char *const model_strings[] = {"setosa", "versicolor", "virginica"};
static const char *const model_features[] = {"sepal", "petal", "width"};

static inline infer_linear_spec model_spec(int kind) {
    infer_linear_spec s;
    infer_linear_spec_init(&s);
    s.feature_count = 3;
    s.output_count = kind == MODEL_SOFTMAX_STRINGS ? 3 : 1;
    s.coefficients = model_coefficients;
    s.intercepts = model_intercepts;
    s.link = kind == MODEL_BINARY            ? INFER_LINK_LOGISTIC
             : kind == MODEL_SOFTMAX_STRINGS ? INFER_LINK_SOFTMAX
             : kind == MODEL_EXP             ? INFER_LINK_EXP
                                             : INFER_LINK_IDENTITY;
    if (kind == MODEL_BINARY) {
        s.class_count = 2;
        s.class_ints = model_ints;
    }
    if (kind == MODEL_SOFTMAX_STRINGS) {
        s.class_count = 3;
        s.class_strings = model_strings;
        s.feature_names = model_features;
    }
    return s;
}

static inline infer_model *make_model(int kind) {
    infer_linear_spec s = model_spec(kind);
    infer_model *m;
    if (infer_linear(&s, &m) != INFER_OK)
        fail_msg("%s", infer_last_error());
    return m;
}

#endif
