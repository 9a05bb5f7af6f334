/* SVMRegressor and SVMClassifier. Their attributes are libsvm's model, and libsvm says what they
 * mean. All in double, as there. */
#include "checked.h"
#include "ml.h"
#include "ml_link.h"

#include <math.h>
#include <string.h>

enum { LINEAR, POLY, RBF, SIGMOID };
#define KERNELS "LINEAR|POLY|RBF|SIGMOID"

typedef struct kernel {
    int64_t type;
    double gamma, coef0, degree;
} kernel;

/* gamma, coef0 and degree; zeros where they are not given. */
static infer_status read_kernel(const infer_op_env *env, int64_t type, const infer_list *params,
                                kernel *k) {
    *k = (kernel){.type = type};
    if (params->count != 0 && params->count != 3)
        return infer_fail(INFER_ERROR_VALUE, "kernel_params has %llu entries instead of 3",
                          (unsigned long long)params->count);
    const float *p = infer_list_data(env, params);
    if (params->count)
        *k = (kernel){type, p[0], p[1], p[2]};
    return INFER_OK;
}

/* Sums over the features of a row and a support vector, four at a time: of products, or of squared
 * differences. */
#define SUM_OVER(name, term)                                                                       \
    static inline double name##_term(double a, double b) {                                         \
        return term;                                                                               \
    }                                                                                              \
    static double name(const double *x, const float *v, size_t n) {                                \
        double p = 0, q = 0, r = 0, s = 0;                                                         \
        for (; n >= 4; n -= 4, x += 4, v += 4) {                                                   \
            p += name##_term(x[0], v[0]);                                                          \
            q += name##_term(x[1], v[1]);                                                          \
            r += name##_term(x[2], v[2]);                                                          \
            s += name##_term(x[3], v[3]);                                                          \
        }                                                                                          \
        p += n > 0 ? name##_term(x[0], v[0]) : 0;                                                  \
        q += n > 1 ? name##_term(x[1], v[1]) : 0;                                                  \
        r += n > 2 ? name##_term(x[2], v[2]) : 0;                                                  \
        return (p + q) + (r + s);                                                                  \
    }
SUM_OVER(dot, a *b)
SUM_OVER(distance, (a - b) * (a - b))

/* Those of a row and so many vectors of n features. */
static void kernels_of(const infer_op_env *env, const kernel *k, const double *x,
                       const float *vectors, size_t count, size_t n, double *to) {
    for (size_t v = 0; v < count; v++, vectors += n)
        to[v] = k->type == RBF      ? -k->gamma * distance(x, vectors, n)
                : k->type == LINEAR ? dot(x, vectors, n)
                                    : k->gamma * dot(x, vectors, n) + k->coef0;
    if (k->type == RBF)
        env->kernels->exp_f64(to, to, count);
    else if (k->type == SIGMOID)
        env->kernels->tanh_f64(to, to, count);
    for (size_t v = 0; k->type == POLY && v < count; v++)
        to[v] = pow(to[v], k->degree);
}

static void load_row(const infer_view *x, size_t row, size_t n, double *to) {
    infer_chunk chunk;
    for (size_t c = 0; c < n; c += INFER_CHUNK) {
        size_t m = n - c < INFER_CHUNK ? n - c : INFER_CHUNK;
        memcpy(to + c, infer_load_double((infer_type)x->type, x->data, row * n + c, m, &chunk),
               m * sizeof *to);
    }
}

/* Refuses a list that does not have count rows of the input's features. */
static infer_status check_rows(const infer_list *list, uint64_t count, int64_t features,
                               const char *name) {
    if (count == 0 || list->count % count ||
        (features >= 0 && list->count / count != (uint64_t)features))
        return infer_fail(INFER_ERROR_SHAPE, "%s has %llu entries for %llu rows of %lld", name,
                          (unsigned long long)list->count, (unsigned long long)count,
                          (long long)features);
    return INFER_OK;
}

static infer_status doubles(infer_op_env *env, uint64_t count) {
    size_t bytes;
    if (count > SIZE_MAX / 16 || !infer_mul((size_t)count, sizeof(double), &bytes))
        return infer_fail(INFER_ERROR_LIMIT, "the support vectors do not fit memory");
    env->scratch_size = bytes;
    return INFER_OK;
}

/* ---- SVMRegressor ---- */

typedef struct regressor_params {
    infer_list coefficients, kernel_params, rho, support_vectors;
    int64_t kernel_type, n_supports, one_class, post_transform;
} regressor_params;

static const infer_op_attr regressor_attrs[] = {
    A_REQUIRED(regressor_params, coefficients, FLOATS),
    A_LIST(regressor_params, kernel_params, FLOATS),
    A_LIST(regressor_params, rho, FLOATS),
    A_LIST(regressor_params, support_vectors, FLOATS),
    A_ENUM(regressor_params, kernel_type, LINEAR, KERNELS),
    A_INT(regressor_params, n_supports, 0),
    A_INT(regressor_params, one_class, 0),
    A_ENUM(regressor_params, post_transform, INFER_POST_NONE, INFER_POST_TRANSFORMS),
};

static infer_status regressor_infer(infer_op_env *env) {
    const regressor_params *p = env->params;
    int64_t rows, features;
    kernel k;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    INFER_TRY(read_kernel(env, p->kernel_type, &p->kernel_params, &k));
    if (p->n_supports < 0 || p->rho.count > 1)
        return infer_fail(INFER_ERROR_VALUE, "%lld support vectors and %llu rho",
                          (long long)p->n_supports, (unsigned long long)p->rho.count);
    if (p->n_supports == 0) {
        INFER_TRY(check_rows(&p->coefficients, 1, features, "coefficients"));
    } else {
        INFER_TRY(check_rows(&p->coefficients, (uint64_t)p->n_supports, 1, "coefficients"));
        INFER_TRY(
            check_rows(&p->support_vectors, (uint64_t)p->n_supports, features, "support_vectors"));
    }
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_FLOAT, 2, &spare);
    y->dim[0] = rows;
    y->dim[1] = 1;
    return doubles(env, (features > 0 ? (uint64_t)features : 1) + (uint64_t)p->n_supports);
}

/* Without support vectors the coefficients are the model's own, one a feature. */
static infer_status regressor_run(infer_op_env *env) {
    const regressor_params *p = env->params;
    infer_view *y = env->out[0];
    kernel k;
    int64_t rows, features;
    if (!y)
        return INFER_OK;
    INFER_TRY(read_kernel(env, p->kernel_type, &p->kernel_params, &k));
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    const float *weights = infer_list_data(env, &p->coefficients),
                *vectors = infer_list_data(env, &p->support_vectors),
                *rho = infer_list_data(env, &p->rho);
    size_t n = (size_t)features;
    double *x = env->scratch, *kernels = x + n;
    for (size_t r = 0; r < (size_t)rows; r++) {
        load_row(env->in[0], r, n, x);
        double z = p->n_supports ? 0 : dot(x, weights, n);
        kernels_of(env, &k, x, vectors, (size_t)p->n_supports, n, kernels);
        for (size_t v = 0; v < (size_t)p->n_supports; v++)
            z += weights[v] * kernels[v];
        z += p->rho.count ? rho[0] : 0;
        if (p->one_class)
            z = z > 0 ? 1 : -1;
        else
            infer_post_transform_f64(p->post_transform, &z, 1);
        ((float *)y->data)[r] = (float)z;
    }
    return INFER_OK;
}

const infer_op infer_op_svm_regressor = {
    INFER_ML_OP("SVMRegressor", 1, 1, 1, regressor_params, regressor_attrs),
    .types = {T_ML},
    .infer = regressor_infer,
    .run = regressor_run,
};

/* ---- SVMClassifier ---- */

typedef struct classifier_params {
    infer_list classlabels_ints, classlabels_strings, coefficients, kernel_params, prob_a, prob_b,
        rho, support_vectors, vectors_per_class;
    int64_t kernel_type, post_transform;
} classifier_params;

static const infer_op_attr classifier_attrs[] = {
    A_LIST(classifier_params, classlabels_ints, INTS),
    A_LIST(classifier_params, classlabels_strings, STRINGS),
    A_REQUIRED(classifier_params, coefficients, FLOATS),
    A_LIST(classifier_params, kernel_params, FLOATS),
    A_LIST(classifier_params, prob_a, FLOATS),
    A_LIST(classifier_params, prob_b, FLOATS),
    A_REQUIRED(classifier_params, rho, FLOATS),
    A_LIST(classifier_params, support_vectors, FLOATS),
    A_LIST(classifier_params, vectors_per_class, INTS),
    A_ENUM(classifier_params, kernel_type, LINEAR, KERNELS),
    A_ENUM(classifier_params, post_transform, INFER_POST_NONE, INFER_POST_TRANSFORMS),
};

/* What the lists say together. Without vectors the model is linear: a row of coefficients a class.
 */
typedef struct machine {
    const infer_list *labels;
    uint64_t classes, pairs, vectors, scores;
    bool linear, probabilities;
} machine;

static infer_status count_vectors(const infer_op_env *env, const classifier_params *p, machine *m) {
    const int64_t *each = infer_list_data(env, &p->vectors_per_class);
    for (uint64_t i = 0; i < p->vectors_per_class.count; i++)
        if (each[i] < 0 || __builtin_add_overflow(m->vectors, (uint64_t)each[i], &m->vectors) ||
            m->vectors > p->coefficients.count)
            return infer_fail(INFER_ERROR_VALUE, "class %llu has %lld support vectors",
                              (unsigned long long)i, (long long)each[i]);
    return INFER_OK;
}

static infer_status read_machine(const infer_op_env *env, int64_t features, machine *m) {
    const classifier_params *p = env->params;
    bool ints = p->classlabels_ints.count > 0, text = p->classlabels_strings.count > 0;
    if (ints == text)
        return infer_fail(INFER_ERROR_VALUE, "one list of class labels must be set");
    *m = (machine){.labels = ints ? &p->classlabels_ints : &p->classlabels_strings};
    m->classes = m->labels->count;
    m->linear = p->vectors_per_class.count == 0;
    m->scores = m->classes;
    if (m->linear) {
        if (p->rho.count < 1)
            return infer_fail(INFER_ERROR_VALUE, "rho is empty");
        return check_rows(&p->coefficients, m->classes, features, "coefficients");
    }
    INFER_TRY(count_vectors(env, p, m));
    m->pairs = p->rho.count;
    m->probabilities = p->prob_a.count > 0;
    if (m->classes < 2 || m->classes > UINT32_MAX ||
        m->pairs != m->classes * (m->classes - 1) / 2 || p->vectors_per_class.count != m->classes ||
        p->prob_a.count != p->prob_b.count || (m->probabilities && p->prob_a.count != m->pairs))
        return infer_fail(INFER_ERROR_VALUE, "%llu classes and %llu pairs do not fit each other",
                          (unsigned long long)m->classes, (unsigned long long)m->pairs);
    if (!m->probabilities && m->classes > 2)
        m->scores = m->pairs;
    INFER_TRY(check_rows(&p->coefficients, m->vectors, (int64_t)(m->classes - 1), "coefficients"));
    return check_rows(&p->support_vectors, m->vectors, features, "support_vectors");
}

static infer_status classifier_infer(infer_op_env *env) {
    const classifier_params *p = env->params;
    int64_t rows, features;
    machine m;
    kernel k;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    INFER_TRY(read_kernel(env, p->kernel_type, &p->kernel_params, &k));
    INFER_TRY(read_machine(env, features, &m));
    bool text = m.labels == &p->classlabels_strings;
    infer_view spare,
        *y = infer_out(env, 0, text ? INFER_TYPE_STRING : INFER_TYPE_INT64, 1, &spare);
    y->dim[0] = rows;
    y = infer_out(env, 1, INFER_TYPE_FLOAT, 2, &spare);
    y->dim[0] = rows;
    y->dim[1] = (int64_t)m.scores;
    /* The row, kernels, decisions or scores; r and q of coupling, votes, what it takes besides. */
    uint64_t square = m.probabilities ? m.classes * m.classes : 0;
    return doubles(env, (features > 0 ? (uint64_t)features : 0) + m.vectors + m.pairs + m.scores +
                            2 * square + 2 * m.classes);
}

/* The decisions between pairs of classes i < j; positive is i. Row j - 1 of the coefficients weighs
 * the vectors of class i against j, row i those of class j against i. */
static void decide(const infer_op_env *env, const machine *m, const double *kernels,
                   double *decisions) {
    const classifier_params *p = env->params;
    const float *weights = infer_list_data(env, &p->coefficients),
                *rho = infer_list_data(env, &p->rho);
    const int64_t *each = infer_list_data(env, &p->vectors_per_class);
    size_t first_i = 0, pair = 0;
    for (size_t i = 0; i < m->classes; first_i += (size_t)each[i++]) {
        size_t first_j = first_i + (size_t)each[i];
        for (size_t j = i + 1; j < m->classes; first_j += (size_t)each[j++]) {
            const float *of_i = weights + (j - 1) * m->vectors, *of_j = weights + i * m->vectors;
            double sum = 0;
            for (size_t v = first_i; v < first_i + (size_t)each[i]; v++)
                sum += of_i[v] * kernels[v];
            for (size_t v = first_j; v < first_j + (size_t)each[j]; v++)
                sum += of_j[v] * kernels[v];
            decisions[pair] = sum + rho[pair];
            pair++;
        }
    }
}

static size_t largest(const double *z, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = z[i] > z[best] ? i : best;
    return best;
}

/* The class that wins most pairs, the first of equals. */
static size_t most_votes(const machine *m, const double *decisions, double *votes) {
    memset(votes, 0, m->classes * sizeof *votes);
    for (size_t i = 0; i < m->classes; i++)
        for (size_t j = i + 1; j < m->classes; j++)
            votes[*decisions++ > 0 ? i : j]++;
    return largest(votes, m->classes);
}

/* Probabilities p of k classes from those of pairs, r[i][j] of i against j: the second method of
 * Wu, Lin and Weng (2004), ended as libsvm does. qp: room for k. */
static void couple(size_t k, const double *r, double *q, double *qp, double *p) {
    for (size_t i = 0; i < k; i++) {
        p[i] = 1 / (double)k;
        q[i * k + i] = 0;
        for (size_t j = 0; j < k; j++) {
            if (j == i)
                continue;
            q[i * k + i] += r[j * k + i] * r[j * k + i];
            q[i * k + j] = -r[j * k + i] * r[i * k + j];
        }
    }
    for (size_t round = 0; round < (k > 100 ? k : 100); round++) {
        double pqp = 0, worst = 0;
        for (size_t i = 0; i < k; i++) {
            qp[i] = 0;
            for (size_t j = 0; j < k; j++)
                qp[i] += q[i * k + j] * p[j];
            pqp += p[i] * qp[i];
        }
        for (size_t i = 0; i < k; i++)
            worst = fmax(worst, fabs(qp[i] - pqp));
        if (!(worst >= 0.005 / (double)k))
            return;
        for (size_t i = 0; i < k; i++) {
            double step = (pqp - qp[i]) / q[i * k + i], grown = 1 + step;
            pqp = (pqp + step * (step * q[i * k + i] + 2 * qp[i])) / grown / grown;
            p[i] += step;
            for (size_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + step * q[i * k + j]) / grown;
                p[j] /= grown;
            }
        }
    }
}

/* room: 2 * classes * classes and classes more. */
static void probabilities(const infer_op_env *env, const machine *m, const double *decisions,
                          double *room, double *scores) {
    const classifier_params *p = env->params;
    const float *a = infer_list_data(env, &p->prob_a), *b = infer_list_data(env, &p->prob_b);
    const double least = 1e-7;
    size_t k = m->classes, pair = 0;
    double *r = room, *q = r + k * k, *qp = q + k * k;
    memset(r, 0, k * k * sizeof *r);
    for (size_t i = 0; i < k; i++)
        for (size_t j = i + 1; j < k; j++, pair++) {
            double chance = 1 / (1 + exp(a[pair] * decisions[pair] + b[pair]));
            chance = fmin(fmax(chance, least), 1 - least);
            r[i * k + j] = chance;
            r[j * k + i] = 1 - chance;
        }
    couple(k, r, q, qp, scores);
}

static size_t linear_scores(const infer_op_env *env, const machine *m, const double *x, size_t n,
                            double *scores) {
    const classifier_params *p = env->params;
    const float *weights = infer_list_data(env, &p->coefficients),
                *rho = infer_list_data(env, &p->rho);
    for (size_t c = 0; c < m->classes; c++)
        scores[c] = dot(x, weights + c * n, n) + rho[0];
    return largest(scores, m->classes);
}

/* The class of a row, and its scores. */
static size_t judge_row(const infer_op_env *env, const machine *m, const kernel *k, const double *x,
                        size_t n, double *room, double *scores) {
    const classifier_params *p = env->params;
    const float *vectors = infer_list_data(env, &p->support_vectors);
    double *kernels = room, *decisions = kernels + m->vectors, *votes = decisions + m->pairs;
    if (m->linear)
        return linear_scores(env, m, x, n, scores);
    kernels_of(env, k, x, vectors, m->vectors, n, kernels);
    decide(env, m, kernels, decisions);
    size_t best = most_votes(m, decisions, votes);
    if (m->probabilities) {
        probabilities(env, m, decisions, votes + m->classes, scores);
    } else if (m->classes == 2) {
        scores[0] = -decisions[0];
        scores[1] = decisions[0];
    } else {
        memcpy(scores, decisions, m->pairs * sizeof *scores);
    }
    return best;
}

static infer_status classifier_run(infer_op_env *env) {
    const classifier_params *p = env->params;
    infer_view *label = env->out[0], *z = env->out_count > 1 ? env->out[1] : NULL;
    int64_t rows, features;
    machine m;
    kernel k;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &features));
    INFER_TRY(read_kernel(env, p->kernel_type, &p->kernel_params, &k));
    INFER_TRY(read_machine(env, features, &m));
    size_t n = (size_t)features;
    double *x = env->scratch, *scores = x + n, *room = scores + m.scores;
    for (size_t r = 0; r < (size_t)rows; r++) {
        load_row(env->in[0], r, n, x);
        size_t best = judge_row(env, &m, &k, x, n, room, scores);
        if (label && label->type == INFER_TYPE_STRING)
            ((infer_string *)label->data)[r] = infer_list_string(env, m.labels, best);
        else if (label)
            ((int64_t *)label->data)[r] = ((const int64_t *)infer_list_data(env, m.labels))[best];
        infer_post_transform_f64(p->post_transform, scores, m.scores);
        if (z)
            infer_store_double(INFER_TYPE_FLOAT, scores, z->data, r * m.scores, m.scores);
    }
    return INFER_OK;
}

const infer_op infer_op_svm_classifier = {
    INFER_ML_OP("SVMClassifier", 1, 1, 2, classifier_params, classifier_attrs),
    .types = {T_ML},
    .infer = classifier_infer,
    .run = classifier_run,
};
