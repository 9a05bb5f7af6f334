/* NonMaxSuppression: boxes by falling score, without those that overlap a better one too much. */
#include "axes.h"
#include "checked.h"
#include "op.h"
#include "order.h"
#include "status.h"

#include <string.h>

typedef struct nms_params {
    int64_t center_point_box;
} nms_params;

static const infer_op_attr nms_attrs[] = {A_INT(nms_params, center_point_box, 0)};

enum { BOXES, SCORES, MAX_BOXES, IOU, SCORE }; /* inputs; the last three are optional scalars */

typedef struct box {
    float low[2], high[2], area;
} box;

/* ---- shapes ---- */

static infer_status check_ranks(const infer_view *boxes, const infer_view *scores) {
    if ((boxes->rank >= 0 && boxes->rank != 3) || (scores->rank >= 0 && scores->rank != 3))
        return infer_fail(INFER_ERROR_SHAPE, "boxes of rank %d and scores of rank %d, not 3",
                          (int)boxes->rank, (int)scores->rank);
    if (boxes->rank < 0)
        return INFER_OK;
    if (boxes->dim[2] >= 0 && boxes->dim[2] != 4)
        return infer_fail(INFER_ERROR_SHAPE, "boxes of %lld numbers", (long long)boxes->dim[2]);
    if (scores->rank < 0)
        return INFER_OK;
    for (int i = 0; i < 2; i++) {
        int64_t a = boxes->dim[i], b = scores->dim[2 * i];
        if (a >= 0 && b >= 0 && a != b)
            return infer_fail(INFER_ERROR_SHAPE, "boxes and scores: %lld and %lld %s", (long long)a,
                              (long long)b, i ? "boxes" : "batches");
    }
    return INFER_OK;
}

/* How many boxes of a class may be selected, of n. */
static int64_t most_boxes(const infer_op_env *env, int64_t n) {
    const infer_view *max = infer_has_input(env, MAX_BOXES) ? env->in[MAX_BOXES] : NULL;
    if (!max)
        return 0;
    int64_t most = max->data ? infer_index(max, 0) : n;
    return most < 0 ? 0 : most < n ? most : n;
}

static infer_status nms_infer(infer_op_env *env) {
    static const char *const names[] = {"max_output_boxes_per_class", "iou_threshold",
                                        "score_threshold"};
    const infer_view *boxes = env->in[BOXES], *scores = env->in[SCORES];
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_INT64, 2, &spare);
    y->dim[1] = 3;
    INFER_TRY(check_ranks(boxes, scores));
    for (uint32_t i = MAX_BOXES; i <= SCORE; i++)
        if (infer_has_input(env, i))
            INFER_TRY(infer_check_scalar(env->in[i], names[i - MAX_BOXES]));
    if (!infer_view_concrete(boxes) || !infer_view_concrete(scores))
        return INFER_OK;
    /* Candidates, keys of the scores and boxes; the count and the boxes selected of each class. */
    size_t n = (size_t)boxes->dim[1], bytes, all;
    size_t classes = (size_t)infer_span(scores, 0, 2);
    size_t selected = (size_t)most_boxes(env, boxes->dim[1]) + 1;
    if (!infer_mul(n, sizeof(infer_keyed) + sizeof(uint64_t) + sizeof(box), &bytes) ||
        !infer_mul(classes, sizeof(int64_t), &all) || !infer_mul(all, selected, &all) ||
        !infer_add(bytes, all, &bytes) ||
        !infer_add(bytes, 64, &env->scratch_size)) /* never none */
        return infer_fail(INFER_ERROR_SHAPE, "%zu boxes are too many", n);
    return INFER_OK;
}

/* ---- running ---- */

static box read_box(const float *p, bool center) {
    box b;
    for (int i = 0; i < 2; i++) {
        float from = center ? p[i] - p[2 + i] / 2 : p[i];
        float to = center ? p[i] + p[2 + i] / 2 : p[2 + i];
        b.low[i] = from < to ? from : to;
        b.high[i] = from < to ? to : from;
    }
    b.area = (b.high[0] - b.low[0]) * (b.high[1] - b.low[1]);
    return b;
}

static bool overlaps(const box *a, const box *b, float threshold) {
    float both = 1;
    for (int i = 0; i < 2; i++) {
        float low = a->low[i] > b->low[i] ? a->low[i] : b->low[i];
        float high = a->high[i] < b->high[i] ? a->high[i] : b->high[i];
        if (!(high > low))
            return false;
        both *= high - low;
    }
    return both / (a->area + b->area - both) > threshold;
}

typedef struct nms {
    size_t n, most;
    float iou, score;
    bool has_score;
    infer_keyed *heap;
    box *boxes;
    uint64_t *keys;
} nms;

/* The boxes selected of one class into selected[]; how many. */
static size_t select_boxes(const nms *s, const float *scores, int64_t *selected) {
    size_t candidates = 0, count = 0;
    infer_order_keys(INFER_TYPE_FLOAT, scores, 0, 1, s->n, true, s->keys);
    for (size_t i = 0; i < s->n; i++)
        if (!s->has_score || scores[i] > s->score) {
            /* The root: the best score, of equal ones the first. */
            s->heap[candidates] = (infer_keyed){s->keys[i], -(int64_t)i};
            infer_heap_rise(s->heap, candidates++);
        }
    while (candidates > 0 && count < s->most) {
        int64_t best = -s->heap[0].at;
        s->heap[0] = s->heap[--candidates];
        if (candidates)
            infer_heap_sink(s->heap, candidates);
        size_t i = 0;
        while (i < count && !overlaps(&s->boxes[best], &s->boxes[selected[i]], s->iou))
            i++;
        if (i == count)
            selected[count++] = best;
    }
    return count;
}

/* Rows of batch, class and box. */
static infer_status write_rows(infer_op_env *env, const int64_t *counts, const int64_t *selected,
                               size_t batches, size_t classes, size_t total) {
    infer_view shape = {.type = INFER_TYPE_INT64, .rank = 2, .dim = {(int64_t)total, 3}};
    INFER_TRY(infer_place(env, 0, &shape));
    int64_t *to = env->out[0]->data;
    for (size_t c = 0; c < batches * classes; c++)
        for (int64_t i = 0; i < counts[c]; i++, to += 3) {
            to[0] = (int64_t)(c / classes);
            to[1] = (int64_t)(c % classes);
            to[2] = *selected++;
        }
    return INFER_OK;
}

static infer_status nms_run(infer_op_env *env) {
    const nms_params *p = env->params;
    const infer_view *boxes = env->in[BOXES], *scores = env->in[SCORES];
    size_t batches = (size_t)boxes->dim[0], classes = (size_t)scores->dim[1], total = 0;
    nms s = {.n = (size_t)boxes->dim[1], .most = (size_t)most_boxes(env, boxes->dim[1])};
    s.iou = infer_has_input(env, IOU) ? *(const float *)env->in[IOU]->data : 0;
    s.has_score = infer_has_input(env, SCORE);
    s.score = s.has_score ? *(const float *)env->in[SCORE]->data : 0;
    s.heap = env->scratch;
    s.keys = (uint64_t *)(s.heap + s.n);
    int64_t *counts = (int64_t *)(s.keys + s.n), *selected = counts + batches * classes;
    s.boxes = (box *)(selected + batches * classes * s.most);
    if (!env->out[0])
        return INFER_OK;
    for (size_t b = 0; b < batches; b++) {
        for (size_t i = 0; i < s.n; i++)
            s.boxes[i] =
                read_box((const float *)boxes->data + (b * s.n + i) * 4, p->center_point_box != 0);
        for (size_t c = b * classes; c < (b + 1) * classes; c++) {
            size_t found =
                select_boxes(&s, (const float *)scores->data + c * s.n, selected + total);
            counts[c] = (int64_t)found;
            total += found;
        }
    }
    return write_rows(env, counts, selected, batches, classes, total);
}

const infer_op infer_op_non_max_suppression = {
    .domain = "",
    .name = "NonMaxSuppression",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(nms_params),
    .min_in = 2,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .attr_count = 1,
    .attrs = nms_attrs,
    .types = {T(FLOAT), T(FLOAT), T(INT64), T(FLOAT), T(FLOAT)},
    .infer = nms_infer,
    .run = nms_run,
};
