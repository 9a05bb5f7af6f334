/* Reading the attributes of ensembles of trees, shared by the operators that become infer.Trees. */
#ifndef INFER_OPS_TREES_READ_H
#define INFER_OPS_TREES_READ_H

#include "ml.h"
#include "ml_link.h"
#include "trees.h"
#include "trees_build.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* ---- attributes (trees_read.c) ---- */

infer_status infer_trees_wrong_kind(const char *name);
infer_status infer_trees_same_count(uint64_t count, uint64_t expected, const char *name);

/* Lists, empty where they are not set; a number that stays as it is. */
infer_status infer_trees_ints(infer_rewriter *rw, const char *name, infer_integers *list);
infer_status infer_trees_tensor(infer_rewriter *rw, const char *name, uint64_t types,
                                infer_numbers *list);
infer_status infer_trees_numbers(infer_rewriter *rw, const char *name, const char *tensor,
                                 infer_numbers *list);
infer_status infer_trees_int(infer_rewriter *rw, const char *name, int64_t *value);

/* There must be targets, and every vote be for one. */
infer_status infer_trees_check_targets(const infer_tree_source *s);

/* Refuses attributes of infer.Trees that no model may set. */
infer_status infer_trees_begin(infer_rewriter *rw);

/* The node becomes infer.Trees without the attributes named. */
infer_status infer_trees_become(const infer_tree_source *s, const char *const *names, size_t count,
                                infer_numbers base, int64_t kind, int64_t post, int64_t type);

/* infer and run of operators that have become infer.Trees. */
infer_status infer_trees_never(infer_op_env *env);

extern const infer_op_attr infer_trees_labels[2]; /* what infer.Trees takes over as it is */

#define TREES(symbol, op_name, first, outputs, input_types, rewrite)                               \
    const infer_op infer_op_##symbol = {                                                           \
        .domain = "ai.onnx.ml",                                                                    \
        .name = op_name,                                                                           \
        .since = first,                                                                            \
        .newest = 5,                                                                               \
        .params_size = sizeof(infer_trees_params),                                                 \
        .attrs = infer_trees_labels,                                                               \
        .attr_count = COUNT(infer_trees_labels),                                                   \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = outputs,                                                                        \
        .flags = INFER_OP_NARROW,                                                                  \
        .types = {input_types},                                                                    \
        .upgrade = rewrite,                                                                        \
        .infer = infer_trees_never,                                                                \
        .run = infer_trees_never,                                                                  \
    };

/* ---- nodes and votes by tree and number (trees_ids.c) ---- */

/* A tree is a run of places; places are items, by themselves or through an order. */
typedef struct infer_id_tree {
    int64_t id;
    uint32_t first, end;
} infer_id_tree;

typedef struct infer_id_nodes {
    infer_integers trees, ids, yes, no; /* by item */
    const uint32_t *order;              /* NULL: items come in the order of their places */
    const infer_id_tree *list, *by_id;  /* trees as they stand, and sorted */
    const uint32_t *roots;
    uint32_t tree_count, last; /* last: where the last tree was found */
} infer_id_nodes;

/* The names of the attributes of votes. */
typedef struct infer_vote_names {
    const char *trees, *nodes, *targets, *weights, *weights_tensor;
} infer_vote_names;

/* The nodes of a model, and its votes; n must live as long as s. */
infer_status infer_trees_id_nodes(infer_rewriter *rw, infer_tree_source *s, infer_id_nodes *n);
infer_status infer_trees_votes(infer_tree_source *s, infer_id_nodes *n,
                               const infer_vote_names *names);

#endif
