/* What the attention kernel is told of one head, and the scratch that it needs. */
#ifndef INFER_KERNELS_ATTEND_H
#define INFER_KERNELS_ATTEND_H

#include "checked.h"

#define INFER_ATTEND_KEYS  256 /* whose scores are there at a time */
#define INFER_ATTEND_ROWS  16  /* queries, at most, whose scores are there at a time */
#define INFER_ATTEND_APART 16  /* floats between rows of scores, off each other's lines */

/* Scores are scale * q . k, bounded by softcap * tanh(score / softcap) where that is above 0, then
 * `fill` where `keep` is 0 (1 where `inverts`), then increased by `add`. Rows of these masks, one
 * for each query, lie *_row apart, and their keys *_key, 0 or 1. Query i sees the first `keys` keys
 * and, where it is causal, first + i of them at most. */
typedef struct infer_attend {
    size_t queries, keys, size, value_size;
    size_t ldq, ldk, ldv, ldy; /* distances of rows */
    const float *q, *k, *v;
    float *y;
    const float *add;
    const uint8_t *keep; /* NULL, as add, where there is none */
    size_t add_row, add_key, keep_row, keep_key, first;
    float scale, softcap, fill;
    bool inverts, causal;
    bool few;   /* keys and values are read where they lie; INFER_ATTEND_ROWS queries at most */
    bool zeros; /* a query that sees nothing, or not a number, gets zeros: else NaN */
} infer_attend;

static inline size_t infer_attend_bound(const infer_attend *a, size_t query) {
    return a->causal && a->first + query < a->keys ? a->first + query : a->keys;
}

/* Where things lie in the scratch, in floats. */
typedef struct infer_attend_room {
    size_t keys; /* at a time, rounded up */
    size_t packed_k, packed_v, q, scores, state;
} infer_attend_room;

/* Floats of scratch; false where they do not fit a size_t. */
static inline bool infer_attend_scratch(size_t queries, size_t keys, size_t size, size_t value_size,
                                        infer_attend_room *r, size_t *floats) {
    size_t total = 0, n;
    const size_t most = keys < INFER_ATTEND_KEYS ? keys : INFER_ATTEND_KEYS;
    r->keys = (most + 31) / 32 * 32;
    r->packed_k = total;
    bool fits = infer_mul(r->keys, size, &n) && infer_add(total, n, &total);
    r->packed_v = total;
    fits = fits && infer_round_up(value_size, 16, &n) && infer_mul(r->keys, n, &n) &&
           infer_add(total, n, &total);
    r->q = total;
    fits = fits && infer_round_up(size, 16, &n) && infer_mul(n, INFER_ATTEND_ROWS, &n) &&
           infer_add(total, n, &total);
    r->scores = total;
    fits = fits && infer_add(total, (r->keys + INFER_ATTEND_APART) * INFER_ATTEND_ROWS, &total);
    r->state = total;
    return fits && infer_mul(queries, 2, &n) && infer_add(total, n, floats);
}

#endif
