/* From the trees of a model to the constants of infer.Trees (trees.h): breadth first, every
 * comparison turned into "at most". */
#include "trees_build.h"

#include "chunk.h"
#include "status.h"
#include "trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double infer_number_at(const infer_numbers *n, uint64_t i) {
    infer_chunk chunk;
    if (n->type == INFER_TYPE_FLOAT)
        return (double)((const float *)n->data)[i];
    return *infer_load_double(n->type, n->data, (size_t)i, 1, &chunk);
}

/* How votes are laid out. */
enum { IN_LEAVES, DENSE, SPARSE };

typedef struct builder {
    const infer_tree_source *s;
    uint32_t *order, *bases; /* items, a tree after the other; where each begins, and the end */
    uint32_t *child;         /* the first child's number in its tree; 0: none */
    uint32_t room;           /* of both */
    infer_tree_places places;
    int64_t features, depth_sum, leaf_count;
    uint32_t deepest;
    bool wide, missing, flagged;
    int form;
} builder;

/* ---- order ---- */

static bool is_leaf(const infer_tree_source *s, uint32_t item) {
    return s->modes[item] == INFER_TREE_LEAF;
}

/* Whether the second child is where the answer is yes. */
static bool second_is_yes(uint8_t mode) {
    return mode == INFER_TREE_LEQ || mode == INFER_TREE_LT || mode == INFER_TREE_EQ ||
           mode == INFER_TREE_IN;
}

static bool goes_second(const infer_tree_source *s, uint32_t item) {
    bool track = s->tracks.count && infer_integer_at(&s->tracks, item);
    return track == second_is_yes(s->modes[item]);
}

static infer_status see_node(builder *b, uint32_t item) {
    const infer_tree_source *s = b->s;
    uint8_t mode = s->modes[item];
    int64_t feature = infer_integer_at(&s->features, item);
    if (feature < 0 || feature >= (1 << INFER_TREE_FLAGS_F64) - 1)
        return infer_fail(INFER_ERROR_VALUE, "a node looks at feature %lld", (long long)feature);
    b->features = feature >= b->features ? feature + 1 : b->features;
    b->missing = b->missing || goes_second(s, item);
    b->flagged =
        b->flagged || mode == INFER_TREE_EQ || mode == INFER_TREE_NEQ || mode == INFER_TREE_IN;
    return INFER_OK;
}

/* Puts the children of the item at place `at` behind what is there. */
static infer_status put_children(builder *b, uint32_t tree, uint32_t at, uint32_t *end,
                                 uint8_t *seen) {
    const infer_tree_source *s = b->s;
    uint32_t item = b->order[at];
    bool swap = second_is_yes(s->modes[item]);
    if (seen[item] || b->room - *end < 2)
        return infer_fail(INFER_ERROR_FORMAT, "a node of a tree is the child of two");
    seen[item] = 1;
    INFER_TRY(see_node(b, item));
    b->child[at] = *end - b->bases[tree];
    INFER_TRY(s->child(s, tree, item, !swap, &b->order[*end]));
    INFER_TRY(s->child(s, tree, item, swap, &b->order[*end + 1]));
    *end += 2;
    return INFER_OK;
}

static infer_status order_tree(builder *b, uint32_t tree, uint8_t *seen) {
    const infer_tree_source *s = b->s;
    uint32_t end = b->bases[tree], level_end = end + 1, depth = 0;
    INFER_TRY(s->root(s, tree, &b->order[end++]));
    for (uint32_t at = b->bases[tree]; at < end; at++) {
        if (at == level_end) {
            level_end = end;
            depth++;
        }
        if (!is_leaf(s, b->order[at])) {
            INFER_TRY(put_children(b, tree, at, &end, seen));
            continue;
        }
        b->child[at] = 0;
        b->depth_sum += depth;
        b->leaf_count++;
        b->deepest = depth > b->deepest ? depth : b->deepest;
    }
    b->bases[tree + 1] = end;
    return INFER_OK;
}

static infer_status order_trees(builder *b) {
    const infer_tree_source *s = b->s;
    uint64_t room = s->tree_count;
    for (uint32_t i = 0; i < s->item_count; i++)
        room += is_leaf(s, i) ? 0 : 2;
    if (room > UINT32_MAX)
        return infer_fail(INFER_ERROR_LIMIT, "%llu nodes are too many", (unsigned long long)room);
    b->room = (uint32_t)room;
    uint8_t *seen = s->rw->alloc(s->rw, s->item_count + (size_t)1);
    b->order = s->rw->alloc(s->rw, (room + 1) * sizeof *b->order);
    b->child = s->rw->alloc(s->rw, (room + 1) * sizeof *b->child);
    b->bases = s->rw->alloc(s->rw, (s->tree_count + (size_t)1) * sizeof *b->bases);
    if (!seen || !b->order || !b->child || !b->bases)
        return s->rw->failed;
    memset(seen, 0, s->item_count + (size_t)1);
    b->bases[0] = 0;
    for (uint32_t t = 0; t < s->tree_count; t++) {
        /* Roots have a place each; what is left belongs to children. */
        b->room = (uint32_t)(room - (s->tree_count - t - 1));
        INFER_TRY(order_tree(b, t, seen));
    }
    s->rw->release(s->rw, seen, s->item_count + (size_t)1);
    return INFER_OK;
}

/* ---- votes ---- */

/* Number of votes of an item; *first is the place of its first. */
static uint32_t votes_of(const infer_tree_source *s, uint32_t item, uint32_t *first) {
    *first = s->starts ? s->starts[item] : item;
    return s->starts ? s->starts[item + 1] - *first : 1;
}

static uint32_t vote_at(const infer_tree_source *s, uint32_t place) {
    return s->votes ? s->votes[place] : place;
}

static uint32_t target_of(const infer_tree_source *s, uint32_t place) {
    return s->one_target ? 0 : (uint32_t)infer_integer_at(&s->vote_targets, vote_at(s, place));
}

static double weight_at(const infer_tree_source *s, uint32_t place) {
    return infer_number_at(&s->weights, vote_at(s, place));
}

/* A vote a leaf at most, and all leaves of a tree for one target. Where votes are not added up a
 * leaf without one is not a vote for zero. */
static bool fits_leaves(const builder *b, uint32_t tree, uint32_t *target) {
    const infer_tree_source *s = b->s;
    bool found = false, silent = s->aggregate <= INFER_TREES_SUM;
    *target = 0;
    for (uint32_t at = b->bases[tree]; at < b->bases[tree + 1]; at++) {
        uint32_t item = b->order[at], first, n;
        if (!is_leaf(s, item))
            continue;
        n = votes_of(s, item, &first);
        if (n > 1 || (n == 0 && !silent) || (n && found && target_of(s, first) != *target))
            return false;
        if (n)
            *target = target_of(s, first);
        found = found || n;
    }
    return true;
}

/* Every leaf votes for all targets in their order. */
static bool is_dense(const builder *b, uint32_t tree) {
    const infer_tree_source *s = b->s;
    for (uint32_t at = b->bases[tree]; at < b->bases[tree + 1]; at++) {
        uint32_t item = b->order[at], first;
        if (is_leaf(s, item) &&
            (votes_of(s, item, &first) != (uint64_t)s->targets || first % s->targets))
            return false;
        for (uint32_t t = 0; is_leaf(s, item) && t < (uint32_t)s->targets; t++)
            if (target_of(s, first + t) != t)
                return false;
    }
    return true;
}

static infer_view list_of(infer_type type, int64_t count) {
    return (infer_view){.type = (uint8_t)type, .rank = 1, .dim = {count}};
}

/* An input that is a new constant; its elements. */
static void *new_input(const builder *b, uint32_t index, const infer_view *shape) {
    infer_rewriter *rw = b->s->rw;
    void *data;
    uint32_t value = rw->room(rw, shape, &data);
    if (value == INFER_NO_VALUE || rw->set_input(rw, index, value) != INFER_OK)
        return NULL;
    return data ? data : (void *)b; /* nothing to fill */
}

static void put_real(const builder *b, void *data, uint64_t i, double value) {
    if (b->wide)
        ((double *)data)[i] = value;
    else
        ((float *)data)[i] = (float)value;
}

static infer_status put_lists(builder *b) {
    const infer_tree_source *s = b->s;
    infer_view shape = list_of(b->wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT, s->vote_count);
    void *weights = new_input(b, INFER_TREES_WEIGHTS, &shape);
    for (uint32_t v = 0; weights && v < s->vote_count; v++)
        put_real(b, weights, v, weight_at(s, v));
    if (b->form == DENSE)
        return s->rw->failed;
    shape = list_of(INFER_TYPE_UINT32, s->vote_count);
    uint32_t *targets = new_input(b, INFER_TREES_VOTE_TARGETS, &shape);
    for (uint32_t v = 0; targets && v < s->vote_count; v++)
        targets[v] = target_of(s, v);
    shape = list_of(INFER_TYPE_UINT32, (int64_t)s->item_count + 1);
    uint32_t *starts = new_input(b, INFER_TREES_STARTS, &shape);
    for (uint32_t i = 0; starts && i <= s->item_count; i++)
        starts[i] = s->starts ? s->starts[i] : i;
    return s->rw->failed;
}

static infer_status put_votes(builder *b) {
    const infer_tree_source *s = b->s;
    infer_view shape = list_of(INFER_TYPE_UINT32, s->tree_count);
    bool leaves = true, dense = true, all_first = true;
    uint32_t target;
    for (uint32_t t = 0; t < s->tree_count; t++) {
        leaves = leaves && fits_leaves(b, t, &target);
        dense = dense && is_dense(b, t);
        all_first = all_first && leaves && target == 0;
    }
    b->form = leaves ? IN_LEAVES : dense ? DENSE : SPARSE;
    if (!leaves)
        return put_lists(b);
    if (all_first)
        return INFER_OK;
    uint32_t *targets = new_input(b, INFER_TREES_TARGETS, &shape);
    for (uint32_t t = 0; targets && t < s->tree_count; t++)
        fits_leaves(b, t, &targets[t]);
    return s->rw->failed;
}

/* ---- nodes ---- */

/* The value for which x <= value is the question, or its opposite where the second child is where
 * the answer is no. That no value fits is said by NaN. */
static double at_most(const builder *b, uint8_t mode, double split) {
    if (mode == INFER_TREE_EQ || mode == INFER_TREE_NEQ)
        return split;
    if (split != split)
        return mode == INFER_TREE_GT || mode == INFER_TREE_GTE ? INFINITY : split;
    if (mode == INFER_TREE_LEQ || mode == INFER_TREE_GT)
        return split;
    if (split == -INFINITY)
        return NAN;
    return b->wide ? nextafter(split, -INFINITY) : (double)nextafterf((float)split, -INFINITY);
}

static uint32_t flags_of(const infer_tree_source *s, uint32_t item) {
    uint8_t mode = s->modes[item];
    return (goes_second(s, item) ? INFER_TREE_MISSING : 0) |
           (mode == INFER_TREE_EQ || mode == INFER_TREE_NEQ ? INFER_TREE_EQUAL : 0) |
           (mode == INFER_TREE_IN ? INFER_TREE_MEMBER : 0);
}

/* What a node or leaf holds: a number, or the bits of another. */
typedef struct held {
    double number;
    uint32_t bits;
    bool is_number;
} held;

static held held_by(const builder *b, uint32_t item) {
    const infer_tree_source *s = b->s;
    uint32_t first;
    if (s->modes[item] == INFER_TREE_IN)
        return (held){.bits = s->sets[item]};
    if (!is_leaf(s, item))
        return (held){at_most(b, s->modes[item], infer_number_at(&s->splits, item)), 0, true};
    uint32_t n = votes_of(s, item, &first);
    if (b->form == IN_LEAVES)
        return (held){n ? weight_at(s, first) : 0, 0, true};
    return (held){.bits = b->form == DENSE ? first / (uint32_t)s->targets : item};
}

/* As float or double; first: the place of the first child, or of the node where it is a leaf. */
#define PUT_NODE(suffix, real, integer)                                                            \
    static void put_##suffix(const builder *b, void *nodes, uint32_t at, uint32_t first) {         \
        const infer_tree_source *s = b->s;                                                         \
        uint32_t item = b->order[at], place = b->places.place[at];                                 \
        infer_tree_node_##suffix *n = (infer_tree_node_##suffix *)nodes + place;                   \
        held h = held_by(b, item);                                                                 \
        if (h.is_number)                                                                           \
            n->value = (real)h.number;                                                             \
        else                                                                                       \
            memcpy(&n->value, &h.bits, sizeof h.bits);                                             \
        n->link = (integer)b->features;                                                            \
        if (first != place)                                                                        \
            n->link = (integer)infer_integer_at(&s->features, item) |                              \
                      (integer)flags_of(s, item) << FLAGS_##suffix(b->features) |                  \
                      (integer)(first - place) << NEXT_##suffix(b->features);                      \
    }
#define FLAGS_f32(features) infer_feature_bits(features)
#define NEXT_f32(features)  infer_tree_next_f32(features)
#define FLAGS_f64(features) INFER_TREE_FLAGS_F64
#define NEXT_f64(features)  INFER_TREE_NEXT_F64
PUT_NODE(f32, float, uint32_t)
PUT_NODE(f64, double, uint64_t)

/* Places that no node has are leaves. */
static void put_holes(const builder *b, void *nodes) {
    for (uint32_t i = 0; i < b->places.count; i++)
        if (b->wide)
            ((infer_tree_node_f64 *)nodes)[i].link = (uint64_t)b->features;
        else
            ((infer_tree_node_f32 *)nodes)[i].link = (uint32_t)b->features;
}

static infer_status put_nodes(builder *b) {
    const infer_tree_source *s = b->s;
    uint32_t count = b->places.count;
    infer_view shape = {
        .type = INFER_TYPE_UINT64, .rank = 2, .dim = {count ? count : 1, b->wide ? 2 : 1}};
    void *nodes = new_input(b, INFER_TREES_NODES, &shape);
    shape = list_of(INFER_TYPE_UINT32, s->tree_count);
    uint32_t *roots = new_input(b, INFER_TREES_ROOTS, &shape);
    if (!nodes || !roots)
        return s->rw->failed;
    put_holes(b, nodes);
    const uint32_t *place = b->places.place;
    for (uint32_t t = 0; t < s->tree_count; t++) {
        uint32_t base = b->bases[t];
        roots[t] = place[base];
        for (uint32_t at = base; at < b->bases[t + 1]; at++)
            (b->wide ? put_f64 : put_f32)(b, nodes, at,
                                          b->child[at] ? place[base + b->child[at]] : place[at]);
    }
    return INFER_OK;
}

static infer_status put_sets(builder *b) {
    const infer_tree_source *s = b->s;
    if (!s->sets)
        return INFER_OK;
    infer_view shape = list_of(INFER_TYPE_UINT32, (int64_t)s->set_count + 1);
    uint32_t *starts = new_input(b, INFER_TREES_SET_STARTS, &shape);
    if (starts)
        memcpy(starts, s->set_starts, (s->set_count + (size_t)1) * sizeof *starts);
    shape = list_of(b->wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT, (int64_t)s->members.count);
    void *members = new_input(b, INFER_TREES_MEMBERS, &shape);
    for (uint64_t i = 0; members && i < s->members.count; i++)
        put_real(b, members, i, infer_number_at(&s->members, i));
    return s->rw->failed;
}

/* Nearly all leaves are reached in as many steps. */
static int64_t first_steps(const builder *b) {
    int64_t mean = b->leaf_count ? (b->depth_sum + b->leaf_count - 1) / b->leaf_count : 1;
    int64_t steps = b->deepest <= mean + 2 ? b->deepest : mean;
    return steps < 1 ? 1 : steps > 16 ? 16 : steps;
}

infer_status infer_trees_build(const infer_tree_source *s) {
    builder b = {.s = s};
    infer_rewriter *rw = s->rw;
    INFER_TRY(order_trees(&b));
    INFER_TRY(infer_trees_place(rw, b.bases, s->tree_count, b.child, &b.places));
    uint8_t x = rw->view(rw, rw->input(rw, 0))->type;
    b.wide = (x != INFER_TYPE_FLOAT && x != INFER_TYPE_FLOAT16) ||
             s->splits.type == INFER_TYPE_DOUBLE || s->weights.type == INFER_TYPE_DOUBLE ||
             infer_tree_next_f32(b.features) > 31 ||
             b.places.furthest >> (32 - infer_tree_next_f32(b.features));
    INFER_TRY(put_votes(&b));
    INFER_TRY(put_nodes(&b));
    INFER_TRY(put_sets(&b));
    rw->release(rw, b.order, ((size_t)b.room + 1) * sizeof *b.order);
    rw->release(rw, b.child, ((size_t)b.room + 1) * sizeof *b.child);
    rw->release(rw, b.places.place, ((size_t)b.bases[s->tree_count] + 1) * sizeof *b.places.place);
    INFER_TRY(infer_set_int(rw, "features", b.features));
    INFER_TRY(infer_set_int(rw, "missing", b.missing));
    INFER_TRY(infer_set_int(rw, "flagged", b.flagged));
    return infer_set_int(rw, "first", first_steps(&b));
}
