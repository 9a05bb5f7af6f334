/* Ensembles of trees as models write them down, on their way to infer.Trees. */
#ifndef INFER_OPS_TREES_BUILD_H
#define INFER_OPS_TREES_BUILD_H

#include "op.h"

/* What a node asks, in the order of TreeEnsemble's numbers. */
enum infer_tree_mode {
    INFER_TREE_LEQ,
    INFER_TREE_LT,
    INFER_TREE_GTE,
    INFER_TREE_GT,
    INFER_TREE_EQ,
    INFER_TREE_NEQ,
    INFER_TREE_IN, /* a member of a set */
    INFER_TREE_LEAF
};

/* Floating-point numbers of an attribute, of any type. */
typedef struct infer_numbers {
    const void *data;
    uint64_t count;
    infer_type type;
} infer_numbers;

double infer_number_at(const infer_numbers *n, uint64_t i);

/* Integers of an attribute: UINT8, UINT16, INT32 or INT64. */
typedef struct infer_integers {
    const void *data;
    uint64_t count;
    infer_type type;
} infer_integers;

static inline int64_t infer_integer_at(const infer_integers *n, uint64_t i) {
    switch (n->type) {
    case INFER_TYPE_UINT8:
        return ((const uint8_t *)n->data)[i];
    case INFER_TYPE_UINT16:
        return ((const uint16_t *)n->data)[i];
    case INFER_TYPE_INT32:
        return ((const int32_t *)n->data)[i];
    default:
        return ((const int64_t *)n->data)[i];
    }
}

/* Nodes and leaves are items, numbered alike. */
typedef struct infer_tree_source infer_tree_source;
struct infer_tree_source {
    infer_rewriter *rw;
    uint32_t item_count, tree_count;
    const uint8_t *modes;    /* of items */
    infer_integers features; /* of nodes, as what follows */
    infer_integers tracks;   /* none: missing values go where the question is false */
    infer_numbers splits;
    const uint32_t *sets;       /* of nodes that ask for members; NULL: none does */
    const uint32_t *set_starts; /* set_count + 1 of them */
    infer_numbers members;
    uint32_t set_count;
    /* The item where an answer leads from a node of a tree, and the root of a tree. */
    infer_status (*child)(const infer_tree_source *s, uint32_t tree, uint32_t item, bool answer,
                          uint32_t *child);
    infer_status (*root)(const infer_tree_source *s, uint32_t tree, uint32_t *item);
    const void *owner;
    /* The votes of item i are those that votes lists from starts[i] to starts[i + 1]; NULL: vote
     * number i. */
    const uint32_t *starts, *votes;
    uint32_t vote_count;
    infer_integers vote_targets;
    infer_numbers weights;
    bool one_target; /* all votes are for the same */
    int64_t targets, aggregate;
};

/* Numbers of places of nodes, which are `count`; furthest: from a node to its first child. */
typedef struct infer_tree_places {
    uint32_t *place, count, furthest;
} infer_tree_places;

/* Places for the nodes of trees: those of tree t are nodes bases[t] to bases[t + 1], breadth first;
 * child is the first child's number in its tree, 0 for leaves (trees_layout.c). */
infer_status infer_trees_place(infer_rewriter *rw, const uint32_t *bases, uint32_t trees,
                               const uint32_t *child, infer_tree_places *places);

/* Makes the node infer.Trees: sets its inputs, and the attributes that say how nodes are laid out.
 */
infer_status infer_trees_build(const infer_tree_source *s);

#endif
