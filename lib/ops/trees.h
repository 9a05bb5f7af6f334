/*
 * infer.Trees: ensembles of decision trees, laid out for running.
 *
 * All nodes of all trees are one array. The two children of a node lie side by side, `next` is how
 * far ahead the first one is (trees_layout.c says where they lie). A node asks whether
 * x[feature] <= value, and goes to the second child where that is so, else to the first; all other
 * comparisons were turned into this one while loading. A leaf has next 0 and asks for a feature
 * that is never a number, so that it leads to itself and walks need no branches. Its value is its
 * vote, or the number of its list of votes.
 *
 * Nothing of this is checked before it is used: images open without their trees being read. A step
 * that leaves the array goes to its last node, features are cut to the bits that the row has, and a
 * walk that takes more steps than there are nodes is given up.
 */
#ifndef INFER_OPS_TREES_H
#define INFER_OPS_TREES_H

#include "op.h"
#include "walk.h"

/* Narrow nodes (infer_tree_node_f32 in walk.h) compare floats, wide ones doubles. A link is the
 * feature, three flags, and what was called next. In narrow nodes the feature has the bits that it
 * needs, and next those that are left; in wide ones they are where numbers say. */
typedef struct infer_tree_node_f64 {
    double value;
    uint64_t link;
} infer_tree_node_f64;

#define INFER_TREE_FLAGS_F64 29
#define INFER_TREE_NEXT_F64  32

/* Bits that number the features, and the one behind them that leaves ask for. */
static inline uint32_t infer_feature_bits(int64_t features) {
    return features > 0 ? 64 - (uint32_t)__builtin_clzll((unsigned long long)features) : 0;
}

/* The bit where next begins. */
static inline uint32_t infer_tree_next_f32(int64_t features) {
    return infer_feature_bits(features) + 3;
}

/* Flags of a node. Only walks over ensembles or rows that need them read them. */
#define INFER_TREE_MISSING 1u /* a missing value goes to the second child, not the first */
#define INFER_TREE_EQUAL   2u /* asks whether x == value */
#define INFER_TREE_MEMBER  4u /* asks whether x is in the set whose number the value holds */

/* The inputs. */
enum {
    INFER_TREES_X,
    INFER_TREES_NODES,   /* UINT64 [n, 1] narrow, [n, 2] wide */
    INFER_TREES_ROOTS,   /* UINT32 [trees] */
    INFER_TREES_TARGETS, /* UINT32 [trees]: of the votes in leaves; absent: all 0 */
    /* Where leaves hold numbers of lists: list i is the votes from starts[i] to starts[i + 1]. */
    INFER_TREES_STARTS,       /* UINT32 [lists + 1]; absent: every list has a vote a target */
    INFER_TREES_VOTE_TARGETS, /* UINT32 [votes] */
    INFER_TREES_WEIGHTS,      /* FLOAT or DOUBLE [votes] */
    /* Set i is the members from set_starts[i] to set_starts[i + 1], which are sorted. */
    INFER_TREES_SET_STARTS, /* UINT32 [sets + 1] */
    INFER_TREES_MEMBERS,    /* FLOAT or DOUBLE, as nodes */
    INFER_TREES_INPUTS
};

enum infer_trees_aggregate {
    INFER_TREES_AVERAGE,
    INFER_TREES_SUM,
    INFER_TREES_MIN,
    INFER_TREES_MAX
};

/* What the sums become. */
enum infer_trees_kind {
    INFER_TREES_REGRESSOR,
    INFER_TREES_CLASSIFIER,  /* a label, and a score a class */
    INFER_TREES_MARGIN,      /* two classes, one sum: the second above zero; scores {-s, s} */
    INFER_TREES_PROBABILITY, /* the same above one half; {1 - s, s} */
    INFER_TREES_KINDS
};

typedef struct infer_trees_params {
    infer_list classlabels_int64s, classlabels_strings, base_values;
    int64_t kind, targets, aggregate, post_transform;
    int64_t features; /* that trees look at; the row's next one is that of the leaves */
    int64_t flagged;  /* nodes have other flags than MISSING */
    int64_t missing;  /* nodes have the flag MISSING */
    int64_t first;    /* steps that a walk takes before it looks whether it is over */
    int64_t type;     /* infer_type of the scores */
} infer_trees_params;

#endif
