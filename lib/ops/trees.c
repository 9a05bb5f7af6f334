/* infer.Trees: what an ensemble of trees says of each row (trees.h has the layout). */
#include "trees.h"

#include "checked.h"
#include "ml.h"
#include "ml_link.h"
#include "share.h"

#include <math.h>
#include <string.h>

#define TREES (4 * INFER_WALK_LANES) /* trees that are walked together */

/* Whatever a walk needs: constants with their sizes. */
typedef struct forest {
    const void *nodes;
    const uint32_t *roots, *targets, *starts, *vote_targets, *set_starts;
    const void *weights, *members;
    uint64_t tree_count, list_count, vote_count, set_count, member_count;
    uint32_t last; /* the number of the last node */
    uint32_t feature_mask, target_count, flags, next;
    uint32_t first;
    int64_t step_limit, aggregate;
    bool wide, adds;
    bool plain; /* leaves hold what is added to one sum */
    bool dense; /* leaves hold numbers of lists with what is added to each sum */
    const infer_kernels *kernels;
} forest;

#define BLOCK 16 /* rows that are looked at together */

typedef struct block {
    void *rows;   /* float or double, as nodes */
    double *sums; /* one a target */
    size_t count, row_stride, sum_stride;
    uint32_t flagged; /* a bit a row: whether it needs the walk that heeds flags */
} block;

/* A sum that has had no vote yet is no number where the least or the largest is looked for. */
static inline void add_vote(const forest *f, double *sum, double vote) {
    if (f->adds)
        *sum += vote;
    else if (f->aggregate == INFER_TREES_MIN ? !(*sum <= vote) : !(*sum >= vote))
        *sum = vote;
}

static bool steps_f32(const forest *f, const float *row, const uint32_t *from, uint32_t *at,
                      float *values, size_t count, uint32_t steps) {
    infer_tree_nodes t = {f->nodes, f->last, f->next, f->feature_mask};
    return f->kernels->trees_f32(&t, row, from, at, values, count, steps);
}

/* Wide nodes have no kernel: all trees take a step before any takes the next. */
static bool steps_f64(const forest *f, const double *row, const uint32_t *from, uint32_t *at,
                      double *values, size_t count, uint32_t steps) {
    const infer_tree_node_f64 *nodes = f->nodes;
    uint64_t links = 0;
    for (size_t i = 0; i < count; i++)
        at[i] = from[i] < f->last ? from[i] : f->last;
    for (; steps > 0; steps--)
        for (size_t i = 0; i < count; i++) {
            infer_tree_node_f64 n = nodes[at[i]];
            uint64_t to = at[i] + (n.link >> INFER_TREE_NEXT_F64) +
                          (row[n.link & f->feature_mask] <= n.value);
            at[i] = to < f->last ? (uint32_t)to : f->last;
        }
    for (size_t i = 0; i < count; i++) {
        links |= nodes[at[i]].link;
        values[i] = nodes[at[i]].value;
    }
    return links >> INFER_TREE_NEXT_F64;
}

#define REAL float
#define LINK uint32_t
#define S    f32
#include "trees_walk.inc.h"
#define REAL double
#define LINK uint64_t
#define S    f64
#include "trees_walk.inc.h"

/* ---- what there is ---- */

static const infer_view *input(const infer_op_env *env, uint32_t i) {
    return i < env->in_count ? env->in[i] : NULL;
}

static bool is_list(const infer_view *v, infer_type type, int64_t count) {
    return v && v->type == type && v->rank == 1 && v->dim[0] >= 0 &&
           (count < 0 || v->dim[0] == count);
}

static infer_status check_params(const infer_trees_params *p, bool wide) {
    int64_t most = (INT64_C(1) << (wide ? INFER_TREE_FLAGS_F64 : 28)) - 1;
    if (p->kind < 0 || p->kind >= INFER_TREES_KINDS || p->targets < 1 || p->targets > INT32_MAX ||
        p->aggregate < INFER_TREES_AVERAGE || p->aggregate > INFER_TREES_MAX || p->features < 0 ||
        p->features > most || p->first < 1 || p->first > 16 || p->type < 0 || p->type > 31 ||
        !(T_FLOAT >> p->type & 1))
        return infer_fail(INFER_ERROR_VALUE, "the parameters do not fit trees");
    if (p->base_values.count &&
        (p->base_values.type != INFER_TYPE_DOUBLE ||
         (p->base_values.count != 1 && p->base_values.count != (uint64_t)p->targets)))
        return infer_fail(INFER_ERROR_VALUE, "%llu base values for %lld targets",
                          (unsigned long long)p->base_values.count, (long long)p->targets);
    return INFER_OK;
}

static infer_status check_lists(const infer_op_env *env, const infer_view *nodes,
                                infer_type element) {
    const infer_view *roots = env->in[INFER_TREES_ROOTS],
                     *targets = input(env, INFER_TREES_TARGETS),
                     *starts = input(env, INFER_TREES_STARTS),
                     *vote_targets = input(env, INFER_TREES_VOTE_TARGETS),
                     *weights = input(env, INFER_TREES_WEIGHTS),
                     *sets = input(env, INFER_TREES_SET_STARTS),
                     *members = input(env, INFER_TREES_MEMBERS);
    if (!is_list(roots, INFER_TYPE_UINT32, -1) || roots->dim[0] > nodes->dim[0] ||
        nodes->dim[0] > INT32_MAX ||
        (targets && (weights || !is_list(targets, INFER_TYPE_UINT32, roots->dim[0]))))
        return infer_fail(INFER_ERROR_FORMAT, "trees and nodes do not fit each other");
    if ((weights && (!is_list(weights, element, -1) || weights->dim[0] > UINT32_MAX)) ||
        (starts && (!weights || !is_list(starts, INFER_TYPE_UINT32, -1) || starts->dim[0] < 1 ||
                    !is_list(vote_targets, INFER_TYPE_UINT32, weights->dim[0]))))
        return infer_fail(INFER_ERROR_FORMAT, "the votes do not fit each other");
    if (sets && (!is_list(sets, INFER_TYPE_UINT32, -1) || sets->dim[0] < 1 ||
                 !is_list(members, element, -1)))
        return infer_fail(INFER_ERROR_FORMAT, "the sets do not fit each other");
    return INFER_OK;
}

static bool is_classifier(const infer_trees_params *p) {
    return p->kind != INFER_TREES_REGRESSOR;
}

/* Scores of a row: two where one sum decides between two classes. */
static int64_t score_count(const infer_trees_params *p) {
    return p->kind >= INFER_TREES_MARGIN ? 2 : p->targets;
}

/* Rows lie in scratch memory one after the other, then their sums; few where rows are long. */
static block plan_block(const infer_trees_params *p) {
    block b = {.row_stride = (size_t)1 << infer_feature_bits(p->features),
               .sum_stride = (size_t)p->targets + 1};
    size_t fit = 4096 / b.row_stride;
    b.count = fit < 1 ? 1 : fit > BLOCK ? BLOCK : fit;
    return b;
}

static size_t block_bytes(const block *b) {
    return (b->count * (b->row_stride + b->sum_stride) * sizeof(double) + 63) / 64 * 64;
}

static infer_status infer_outputs(infer_op_env *env, int64_t rows) {
    const infer_trees_params *p = env->params;
    infer_view spare, *y;
    if (is_classifier(p)) {
        bool text = infer_list_given(&p->classlabels_strings);
        const infer_list *labels = text ? &p->classlabels_strings : &p->classlabels_int64s;
        if (labels->count != (uint64_t)score_count(p) ||
            (p->kind >= INFER_TREES_MARGIN && p->targets != 1))
            return infer_fail(INFER_ERROR_VALUE, "%llu class labels for %lld scores",
                              (unsigned long long)labels->count, (long long)score_count(p));
        y = infer_out(env, 0, text ? INFER_TYPE_STRING : INFER_TYPE_INT64, 1, &spare);
        y->dim[0] = rows;
    }
    y = infer_out(env, is_classifier(p), (uint32_t)p->type, 2, &spare);
    y->dim[0] = rows;
    y->dim[1] = score_count(p);
    return INFER_OK;
}

static infer_status trees_infer(infer_op_env *env) {
    const infer_trees_params *p = env->params;
    const infer_view *x = env->in[INFER_TREES_X], *nodes = env->in[INFER_TREES_NODES];
    int64_t rows, columns;
    if (nodes->rank != 2 || nodes->dim[0] < 1 || nodes->dim[1] < 1 || nodes->dim[1] > 2)
        return infer_fail(INFER_ERROR_FORMAT, "the nodes are no list");
    bool wide = nodes->dim[1] == 2;
    INFER_TRY(check_params(p, wide));
    if (!wide && x->type != INFER_TYPE_FLOAT && x->type != INFER_TYPE_FLOAT16)
        return infer_fail(INFER_ERROR_TYPE, "narrow trees for an input of %s",
                          infer_type_name((infer_type)x->type));
    INFER_TRY(check_lists(env, nodes, wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT));
    INFER_TRY(infer_ml_rows(x, &rows, &columns));
    if (columns >= 0 && columns < p->features)
        return infer_fail(INFER_ERROR_SHAPE, "the trees take %lld features, %lld were given",
                          (long long)p->features, (long long)columns);
    INFER_TRY(infer_outputs(env, rows));
    if (columns < 0)
        return INFER_OK;
    block b = plan_block(p);
    if (!infer_mul(block_bytes(&b), infer_workers(env), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the trees do not fit memory");
    return INFER_OK;
}

/* ---- running ---- */

static const void *data_of(const infer_op_env *env, uint32_t i, uint64_t *count) {
    const infer_view *v = input(env, i);
    if (count)
        *count = v ? (uint64_t)v->dim[0] : 0;
    return v ? v->data : NULL;
}

static void see_forest(const infer_op_env *env, forest *f) {
    const infer_trees_params *p = env->params;
    const infer_view *nodes = env->in[INFER_TREES_NODES];
    uint64_t starts, sets;
    f->nodes = nodes->data;
    f->last = (uint32_t)nodes->dim[0] - 1;
    f->wide = nodes->dim[1] == 2;
    f->target_count = (uint32_t)p->targets;
    f->flags = infer_feature_bits(p->features);
    f->feature_mask = (1u << f->flags) - 1;
    f->next = infer_tree_next_f32(p->features);
    if (f->wide) {
        f->flags = INFER_TREE_FLAGS_F64;
        f->next = INFER_TREE_NEXT_F64;
    }
    f->first = (uint32_t)p->first;
    f->kernels = env->kernels;
    f->aggregate = p->aggregate;
    f->adds = p->aggregate <= INFER_TREES_SUM;
    f->roots = data_of(env, INFER_TREES_ROOTS, &f->tree_count);
    f->targets = data_of(env, INFER_TREES_TARGETS, NULL);
    f->starts = data_of(env, INFER_TREES_STARTS, &starts);
    f->list_count = starts ? starts - 1 : 0;
    f->vote_targets = data_of(env, INFER_TREES_VOTE_TARGETS, NULL);
    f->weights = data_of(env, INFER_TREES_WEIGHTS, &f->vote_count);
    f->set_starts = data_of(env, INFER_TREES_SET_STARTS, &sets);
    f->set_count = sets ? sets - 1 : 0;
    f->members = data_of(env, INFER_TREES_MEMBERS, &f->member_count);
    f->plain = !f->weights && !f->targets && f->adds;
    f->dense = f->weights && !f->starts && f->adds;
    /* The deepest of the trees that are walked together has no more levels than nodes. */
    f->step_limit = nodes->dim[0] + (int64_t)(f->tree_count / TREES + 1) * (p->first + 2);
}

/* The features of a row, as the trees see them. */
#define FILL(fill, is_missing, real, load)                                                         \
    static void fill(const infer_view *x, size_t at, size_t n, real *row) {                        \
        infer_chunk chunk;                                                                         \
        for (size_t c = 0; c < n; c += INFER_CHUNK) {                                              \
            size_t m = n - c < INFER_CHUNK ? n - c : INFER_CHUNK;                                  \
            memcpy(row + c, load((infer_type)x->type, x->data, at + c, m, &chunk),                 \
                   m * sizeof(real));                                                              \
        }                                                                                          \
    }                                                                                              \
    static bool is_missing(const real *row, size_t n) {                                            \
        bool missing = false;                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            missing |= row[i] != row[i];                                                           \
        return missing;                                                                            \
    }
FILL(fill_f32, is_missing_f32, float, infer_load_float)
FILL(fill_f64, is_missing_f64, double, infer_load_double)

/* The rows of the block that begins with row number `first`. */
static infer_status sum_rows(const infer_op_env *env, const forest *f, block *b, size_t first,
                             size_t columns) {
    const infer_trees_params *p = env->params;
    const infer_view *x = env->in[INFER_TREES_X];
    size_t n = (size_t)p->features;
    for (size_t i = 0; i < b->count * b->sum_stride; i++)
        b->sums[i] = f->adds ? 0 : NAN;
    b->flagged = 0;
    for (size_t r = 0; r < b->count; r++) {
        size_t at = (first + r) * columns, place = r * b->row_stride;
        float *narrow = (float *)b->rows + place;
        double *wide = (double *)b->rows + place;
        if (f->wide)
            fill_f64(x, at, n, wide);
        else
            fill_f32(x, at, n, narrow);
        bool missing =
            p->missing && (f->wide ? is_missing_f64(wide, n) : is_missing_f32(narrow, n));
        b->flagged |= (uint32_t)(p->flagged || missing) << r;
    }
    return f->wide ? rows_f64(f, b) : rows_f32(f, b);
}

/* From what the trees said to sums with their base values. */
static void finish_sums(const infer_op_env *env, const forest *f, double *sums) {
    const infer_trees_params *p = env->params;
    const double *base = infer_list_data(env, &p->base_values);
    for (uint32_t t = 0; t < f->target_count; t++) {
        if (!f->adds && sums[t] != sums[t])
            sums[t] = 0;
        if (p->aggregate == INFER_TREES_AVERAGE && f->tree_count)
            sums[t] /= (double)f->tree_count;
        if (p->base_values.count)
            sums[t] += base[p->base_values.count == 1 ? 0 : t];
    }
}

/* The class of a row; one sum becomes two scores. */
static size_t choose_class(const infer_trees_params *p, double *z) {
    size_t best = 0;
    if (p->kind == INFER_TREES_CLASSIFIER) {
        for (size_t i = 1; i < (size_t)p->targets; i++)
            best = z[i] > z[best] ? i : best;
        return best;
    }
    z[1] = z[0];
    z[0] = p->kind == INFER_TREES_MARGIN ? -z[1] : 1 - z[1];
    return z[1] > (p->kind == INFER_TREES_MARGIN ? 0 : 0.5);
}

static void put_label(const infer_op_env *env, size_t best, const infer_view *out, size_t row) {
    const infer_trees_params *p = env->params;
    if (out->type == INFER_TYPE_STRING)
        ((infer_string *)out->data)[row] = infer_list_string(env, &p->classlabels_strings, best);
    else
        ((int64_t *)out->data)[row] =
            ((const int64_t *)infer_list_data(env, &p->classlabels_int64s))[best];
}

/* From the sums of a row to its label and scores, where somebody wants them. */
static void finish_row(const infer_op_env *env, double *sums, size_t row) {
    const infer_trees_params *p = env->params;
    uint32_t at = is_classifier(p);
    const infer_view *label = is_classifier(p) ? env->out[0] : NULL;
    const infer_view *scores = at < env->out_count ? env->out[at] : NULL;
    size_t n = (size_t)score_count(p), best = is_classifier(p) ? choose_class(p, sums) : 0;
    if (label)
        put_label(env, best, label, row);
    if (!scores)
        return;
    infer_post_transform_f64(p->post_transform, sums, n);
    infer_store_double((infer_type)p->type, sums, scores->data, row * n, n);
}

/* What stands behind the features of each row is no number. */
static void clear_rows(const infer_trees_params *p, const block *b, bool wide) {
    for (size_t r = 0; r < b->count; r++)
        for (size_t i = (size_t)p->features; i < b->row_stride; i++)
            if (wide)
                ((double *)b->rows)[r * b->row_stride + i] = NAN;
            else
                ((float *)b->rows)[r * b->row_stride + i] = NAN;
}

typedef struct trees_job {
    const infer_op_env *env;
    forest f;
    size_t rows, columns, parts, scratch; /* bytes of a thread */
    _Atomic bool failed;
} trees_job;

/* Rows [first, end), in blocks. */
static infer_status run_rows(const trees_job *j, size_t first, size_t end, void *scratch) {
    const infer_trees_params *p = j->env->params;
    block b = plan_block(p);
    b.rows = scratch;
    b.sums = (double *)scratch + b.count * b.row_stride;
    if (b.count > end - first)
        b.count = end - first;
    clear_rows(p, &b, j->f.wide);
    for (; first < end; first += b.count) {
        if (b.count > end - first)
            b.count = end - first;
        INFER_TRY(sum_rows(j->env, &j->f, &b, first, j->columns));
        for (size_t r = 0; r < b.count; r++) {
            double *sums = b.sums + r * b.sum_stride;
            finish_sums(j->env, &j->f, sums);
            finish_row(j->env, sums, first + r);
        }
    }
    return INFER_OK;
}

static void trees_part(void *arg, size_t part, size_t worker) {
    trees_job *j = arg;
    size_t first, end;
    infer_part(j->rows, BLOCK, j->parts, part, &first, &end);
    if (run_rows(j, first, end, (char *)j->env->scratch + worker * j->scratch) != INFER_OK)
        j->failed = true;
}

/* What a tree costs about, in elements. */
#define TREE_COST 16

static infer_status trees_run(infer_op_env *env) {
    const infer_trees_params *p = env->params;
    int64_t rows, columns;
    trees_job j;
    block b = plan_block(p);
    INFER_TRY(infer_ml_rows(env->in[INFER_TREES_X], &rows, &columns));
    see_forest(env, &j.f);
    j.env = env;
    j.failed = false;
    j.rows = (size_t)rows;
    j.columns = (size_t)columns;
    j.scratch = block_bytes(&b);
    j.parts =
        infer_parts(env, j.rows / BLOCK, (double)BLOCK * ((double)j.f.tree_count + 1) * TREE_COST);
    if (j.parts > 1) {
        infer_parallel(env, j.parts, trees_part, &j);
        if (!j.failed)
            return INFER_OK;
    }
    /* Where a part has failed: the reason is said in this thread. */
    return run_rows(&j, 0, j.rows, env->scratch);
}

/* clang-format off */
static const infer_op_attr trees_attrs[] = {
    A_LIST(infer_trees_params, classlabels_int64s, INTS),
    A_LIST(infer_trees_params, classlabels_strings, STRINGS),
    A_LIST(infer_trees_params, base_values, TENSOR),
    A_INT(infer_trees_params, kind, 0),
    A_INT(infer_trees_params, targets, 1),
    A_INT(infer_trees_params, aggregate, INFER_TREES_SUM),
    A_INT(infer_trees_params, post_transform, 0),
    A_INT(infer_trees_params, features, 0),
    A_INT(infer_trees_params, flagged, 0),
    A_INT(infer_trees_params, missing, 0),
    A_INT(infer_trees_params, first, 1),
    A_INT(infer_trees_params, type, INFER_TYPE_FLOAT),
};
/* clang-format on */

/* Built by the library alone: there are no attributes that a model could set. */
const infer_op infer_op_infer_trees = {
    .domain = "infer",
    .name = "Trees",
    .since = 1,
    .newest = 1,
    .revision = 2,
    .params_size = sizeof(infer_trees_params),
    .attrs = trees_attrs,
    .attr_count = sizeof trees_attrs / sizeof *trees_attrs,
    .min_in = 3,
    .max_in = INFER_TREES_INPUTS,
    .min_out = 1,
    .max_out = 2,
    .types = {T_ML | T(FLOAT16), T(UINT64), T(UINT32), T(UINT32), T(UINT32),
              T(UINT32) | T(FLOAT) | T(DOUBLE)},
    .infer = trees_infer,
    .run = trees_run,
};
