/* Nodes of decision trees as the kernel that walks them sees them (ops/trees.h has the layout). */
#ifndef INFER_KERNELS_WALK_H
#define INFER_KERNELS_WALK_H

#include <stdint.h>

/* As many trees as the widest kernel walks at once. */
#define INFER_WALK_LANES 16

typedef struct infer_tree_node_f32 {
    float value;
    uint32_t link;
} infer_tree_node_f32;

/* Nodes, the number of the last one, and what of a link is what. */
typedef struct infer_tree_nodes {
    const infer_tree_node_f32 *nodes;
    uint32_t last;
    uint32_t next; /* bit from which on a link says how far ahead the first child is */
    uint32_t mask; /* the bits of a link that are a feature: one less than a power of two */
} infer_tree_nodes;

#endif
