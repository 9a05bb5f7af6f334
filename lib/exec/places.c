/*
 * Places in one block of memory. Two ways: piece by piece as the steps go, each into the smallest
 * gap that is large enough; and, where that is not near the least possible, from the largest piece
 * to the smallest, whatever their steps. The smaller block wins.
 */
#include "places.h"

#include "checked.h"
#include "status.h"

#include <string.h>

#define NOWHERE  SIZE_MAX
#define PATIENCE 4096 /* pieces; more would take too long by size */

/* Pieces that are placed, in the order of their offsets. */
typedef struct row {
    infer_piece *pieces;
    uint32_t *placed;
    size_t count, end;
} row;

static bool meet(const infer_piece *a, const infer_piece *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* Piece number i goes into the smallest gap between those of the row that are needed with it. */
static infer_status put(row *r, uint32_t i) {
    infer_piece *p = &r->pieces[i];
    size_t from = 0, best = NOWHERE, best_gap = NOWHERE, at, end;
    for (size_t k = 0; k <= r->count; k++) {
        const infer_piece *next = k < r->count ? &r->pieces[r->placed[k]] : NULL;
        if (next && !meet(p, next))
            continue;
        size_t to = next ? next->offset : NOWHERE - 1;
        if (to > from && to - from >= p->size && to - from < best_gap) {
            best = from;
            best_gap = to - from;
        }
        if (next && next->offset + next->size > from)
            from = next->offset + next->size;
    }
    if (best == NOWHERE || !infer_add(best, p->size, &end))
        return infer_fail(INFER_ERROR_MEMORY, "the values do not fit memory");
    p->offset = best;
    for (at = r->count++; at > 0 && r->pieces[r->placed[at - 1]].offset > best; at--)
        r->placed[at] = r->placed[at - 1];
    r->placed[at] = i;
    if (end > r->end)
        r->end = end;
    return INFER_OK;
}

static void drop_until(row *r, uint32_t step) {
    size_t kept = 0;
    for (size_t k = 0; k < r->count; k++)
        if (r->pieces[r->placed[k]].last >= step)
            r->placed[kept++] = r->placed[k];
    r->count = kept;
}

static infer_status by_step(row *r, size_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || r->pieces[i].first != r->pieces[i - 1].first)
            drop_until(r, r->pieces[i].first);
        INFER_TRY(put(r, i));
    }
    return INFER_OK;
}

typedef struct rank {
    size_t size;
    uint32_t index;
} rank;

static bool comes_first(const rank *a, const rank *b) {
    return a->size != b->size ? a->size > b->size : a->index < b->index;
}

/* Shell's way, which takes no memory: qsort may. */
static void sort_ranks(rank *order, size_t count) {
    size_t gap = 1;
    while (gap < count / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3)
        for (size_t i = gap; i < count; i++) {
            rank moving = order[i];
            size_t at = i;
            for (; at >= gap && comes_first(&moving, &order[at - gap]); at -= gap)
                order[at] = order[at - gap];
            order[at] = moving;
        }
}

static infer_status by_size(row *r, rank *order, size_t count) {
    for (size_t i = 0; i < count; i++)
        order[i] = (rank){r->pieces[i].size, (uint32_t)i};
    sort_ranks(order, count);
    for (size_t i = 0; i < count; i++)
        INFER_TRY(put(r, order[i].index));
    return INFER_OK;
}

/* The largest sum of what is needed at one step. */
static infer_status find_least(infer_arena *a, const infer_piece *pieces, size_t count,
                               uint32_t from, uint32_t to, size_t *least) {
    size_t *go = infer_arena_array(a, (size_t)(to - from) + 1, sizeof *go), now = 0;
    if (!go)
        return INFER_ERROR_MEMORY;
    *least = 0;
    for (size_t i = 0, step = from; i < count; i++) {
        const infer_piece *p = &pieces[i];
        for (; step < p->first; step++)
            now -= go[step - from];
        if (!infer_add(now, p->size, &now))
            return infer_fail(INFER_ERROR_MEMORY, "the values do not fit memory");
        go[(p->last < to ? p->last : to) - from] += p->size;
        *least = now > *least ? now : *least;
    }
    return INFER_OK;
}

infer_status infer_find_places(infer_arena *a, infer_piece *pieces, size_t count, uint32_t from,
                               uint32_t to, infer_places *places) {
    *places = (infer_places){0};
    row r = {.pieces = pieces, .placed = infer_arena_array(a, count, sizeof *r.placed)};
    if (!r.placed)
        return INFER_ERROR_MEMORY;
    INFER_TRY(find_least(a, pieces, count, from, to, &places->least));
    INFER_TRY(by_step(&r, count));
    places->end = r.end;
    if (r.end - places->least <= places->least / 64 || count > PATIENCE)
        return INFER_OK;
    infer_piece *again = infer_arena_array(a, count, sizeof *again);
    rank *order = infer_arena_array(a, count, sizeof *order);
    if (!again || !order)
        return INFER_ERROR_MEMORY;
    memcpy(again, pieces, count * sizeof *again);
    r = (row){.pieces = again, .placed = r.placed};
    INFER_TRY(by_size(&r, order, count));
    if (r.end >= places->end)
        return INFER_OK;
    places->end = r.end;
    memcpy(pieces, again, count * sizeof *again);
    return INFER_OK;
}
