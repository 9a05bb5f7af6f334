/* The graph as its own files see it: values, nodes, and the blob of parameter lists. */
#ifndef INFER_GRAPH_IR_H
#define INFER_GRAPH_IR_H

#include "graph.h"
#include "layout.h"

typedef struct graph_value {
    const char *name;
    infer_view view;         /* data where constant */
    uint32_t replaced_by;    /* INFER_NO_VALUE, or the value that stands for this one */
    struct graph_body *home; /* the graph that it belongs to; constants are everybody's */
    bool constant;
    bool owned;               /* a constant's bytes are a block of the arena; else borrowed */
    struct graph_node *maker; /* while nodes are added: the one that makes it; NULL: none did */
    /* Of constants without view.data (defer.c): where their floats lie, at any address, or the node
     * that makes them. */
    const void *source;
    struct graph_node *recipe;
} graph_value;

typedef struct graph_node {
    const infer_op *op;
    const char *name;
    int version; /* what the model imported; messages speak of it */
    uint32_t *in, *out;
    uint32_t in_count, out_count, in_room;
    infer_attr *attrs;
    size_t attr_count, attr_room;
    void *params; /* op->params_size bytes, bound from attrs */
    bool bound;   /* params were filled directly: there are no attributes to bind */
    bool dead;
} graph_node;

/* A list of nodes: the model's, or a body of If, Loop, Scan, ... What a body reads of the graph
 * around it are inputs behind its own: `captured` there, `inputs` here. */
typedef struct graph_body {
    struct graph_body *outer; /* NULL: the model's */
    graph_node **nodes;       /* in an order in which they can run */
    uint32_t *inputs, *captured, *outputs;
    size_t node_count, node_room, input_count, input_room, captured_count, captured_room,
        output_count, output_room;
    uint32_t number; /* in the list of all; while emitting, in the image */
} graph_body;

typedef struct graph_port {
    infer_port_spec spec;
    uint32_t value;
} graph_port;

typedef struct graph_pair {
    const char *key, *value;
} graph_pair;

#define GRAPH_COMPUTED 4096 /* nodes that are remembered, a power of two */

struct infer_graph {
    infer_allocator allocator;
    infer_arena arena;
    infer_arena scratch; /* of one pass over one body */
    graph_value *values;
    graph_body main, *now; /* now: where nodes are added, or the one that a pass is at */
    graph_body **bodies;   /* all but main */
    graph_port *inputs, *outputs;
    graph_pair *metadata;
    infer_string *features;
    char *blob;
    size_t value_count, value_room, body_count, body_room, input_count, input_room, output_count,
        output_room, metadata_count, metadata_room, feature_count, blob_size, blob_room;
    void (*release)(void *owner, void *data, size_t size); /* of borrowed bytes, or NULL */
    bool (*stays)(const void *owner, const void *data, size_t size); /* or NULL */
    void *release_owner;
    uint32_t weights;      /* infer_weights */
    uint32_t without;      /* passes by their place in the list, a bit each */
    graph_node **computed; /* GRAPH_COMPUTED of those whose outputs are constants, or NULL */
    infer_pass_observer *observer; /* or NULL */
    void *observer_user;
    infer_kernels kernels; /* the scalar reference: images do not depend on their writer; packing of
                              bytes may be another's, as none differ */
};

/* LIMIT in place of MEMORY where the graph's limit was the reason. */
infer_status infer_graph_status(const infer_graph *g, infer_status status);

/* Follows replaced_by. */
uint32_t infer_graph_resolve(const infer_graph *g, uint32_t value);
infer_status infer_graph_new_value(infer_graph *g, const char *name, const infer_view *view,
                                   bool constant, uint32_t *value);

/* The newest-version operator with attributes and inputs as given is inferred and, where all its
 * inputs are constant, computed now; else it joins the nodes. */
infer_status infer_graph_add_node(infer_graph *g, graph_node *node);

/* bind.c: attrs -> params. */
infer_status infer_graph_bind(infer_graph *g, graph_node *node);

/* A node that is to be; deep: tensors of attributes are copied, not borrowed. */
typedef struct graph_new {
    const infer_op *op;
    const char *name;
    const uint32_t *in;
    uint32_t in_count;
    const infer_attr *attrs;
    size_t attr_count;
    bool deep;
} graph_new;
/* rewrite.c: adds it. out has its outputs, which are made where they are INFER_NO_VALUE. */
infer_status infer_graph_add_new(infer_graph *g, const graph_new *what, uint32_t *out,
                                 uint32_t out_count);

/* rewrite.c: the operator's view of a node. */
infer_rewriter *infer_graph_rewriter_new(infer_graph *g, graph_node *node, int version);
infer_status infer_graph_prepare(infer_graph *g); /* calls each operator's prepare */

/* Copies an attribute into the arena; tensor data is borrowed unless `deep`. */
infer_status infer_graph_copy_attr(infer_graph *g, const infer_attr *from, bool deep,
                                   infer_attr *to);
/* Adds one to a node's attributes: a copy, or itself, which the arena has. */
infer_status infer_graph_add_attr(infer_graph *g, graph_node *n, const infer_attr *attr);
infer_status infer_graph_push_attr(infer_graph *g, graph_node *n, const infer_attr *attr);
const infer_attr *infer_graph_find_attr(const graph_node *node, const char *name);
/* What an attribute says, or `absent`; of a list, number i. */
int64_t infer_graph_int(const graph_node *node, const char *name, int64_t absent);
float infer_graph_float(const graph_node *node, const char *name, float absent);
int64_t infer_graph_number(const graph_node *node, const char *name, size_t i, int64_t absent);
/* Whether it is this text. */
bool infer_graph_says(const graph_node *node, const char *name, const char *text, bool absent);
/* Whether an operator approximates in a way that its attribute names; NULL: in any. */
bool infer_graph_approximates(const graph_node *node, const char *how);

/* env for infer and run of a node; views point into g->values. Arrays come from the arena. */
infer_status infer_graph_env(infer_graph *g, graph_node *node, infer_op_env *env);

/* fold.c. Computes a node whose inputs are constant, if they are; its outputs are inferred. */
infer_status infer_graph_fold(infer_graph *g, graph_node *n, infer_op_env *env, bool *done);

/* body.c. The value as the graph at g->now may name it: itself, or a captured input of now. */
infer_status infer_graph_local(infer_graph *g, uint32_t value, uint32_t *local);
infer_status infer_graph_add_output(infer_graph *g, graph_body *b, uint32_t value);
infer_status infer_graph_push_node(infer_graph *g, graph_node *n); /* to g->now */
/* The node that makes a value, in the graph at g->now; NULL: none does. */
graph_node *infer_graph_made_by(const infer_graph *g, uint32_t value);
void infer_graph_free_bodies(infer_graph *g);
/* The captured values of a node's bodies become its last inputs. */
infer_status infer_graph_add_captures(infer_graph *g, graph_node *n);
/* Puts a body's nodes where nodes are added now, its own inputs being these values. */
infer_status infer_graph_splice(infer_graph *g, graph_body *body, const uint32_t *inputs,
                                uint32_t in_count);
/* main and the bodies that live nodes call, each behind its caller; *count of them. */
infer_status infer_graph_live(infer_graph *g, graph_body ***bodies, size_t *count);

/* defer.c. Whether a view's elements have to be a constant's source. */
bool infer_graph_is_loose(const infer_view *view);
/* Has the output of a node of constants made when it is wanted; false where it is to be made now.
 */
bool infer_graph_defer(infer_graph *g, graph_node *n);
/* Gives a constant its view.data, if it has none; its memory goes as that of others. */
infer_status infer_graph_want(infer_graph *g, uint32_t value);
/* A constant's elements, floats at any address; NULL where it is none. */
const void *infer_graph_elements(infer_graph *g, uint32_t value);
/* Writes a constant's elements. */
infer_status infer_graph_put(infer_graph *g, uint32_t value, void *to);
/* Nobody reads the elements that a constant was made of for a while. */
void infer_graph_let_go(infer_graph *g, uint32_t value);
/* What an operator that is INFER_OP_PACKS makes of constants. */
infer_status infer_graph_pack(infer_graph *g, const graph_node *like, const char *op,
                              const uint32_t *in, uint32_t in_count, const infer_attr *attrs,
                              size_t attr_count, uint32_t *value);

/* quantized.c. Whether a constant is integers times scales, and nobody has widened it yet. */
bool infer_graph_quantized(infer_graph *g, uint32_t value, infer_quantized *quantized);

/* merge_equal.c: whether a node like this one, whose inputs are constant, has been computed; its
 * outputs are this one's then. Else it is remembered. */
bool infer_graph_was_computed(infer_graph *g, graph_node *n);

/* From graph to graph, each in the file of its name; passes.c. */
infer_status infer_graph_allow_winograd(infer_graph *g);
infer_status infer_graph_drop_nothing(infer_graph *g);
infer_status infer_graph_fold_linear(infer_graph *g);
infer_status infer_graph_fold_norm(infer_graph *g);
infer_status infer_graph_fuse_attention(infer_graph *g);
infer_status infer_graph_fuse_gates(infer_graph *g);
infer_status infer_graph_fuse_idioms(infer_graph *g);
infer_status infer_graph_merge_equal(infer_graph *g);
infer_status infer_graph_merge_transposes(infer_graph *g);
infer_status infer_graph_fuse_chains(infer_graph *g);
infer_status infer_graph_fuse_joined(infer_graph *g);
infer_status infer_graph_fuse_one_hot(infer_graph *g);
infer_status infer_graph_fuse_products(infer_graph *g);
infer_status infer_graph_fuse_quantized(infer_graph *g);
infer_status infer_graph_join_products(infer_graph *g);
infer_status infer_graph_fuse_rotary(infer_graph *g);
infer_status infer_graph_round_weights(infer_graph *g);
infer_status infer_graph_halve_products(infer_graph *g);
infer_status infer_graph_sink_transposes(infer_graph *g);
infer_status infer_graph_lay_blocks(infer_graph *g); /* blocked.c */
infer_status infer_graph_fuse_blocked(infer_graph *g);
/* blocked.c: whether a node's output has the batch of its inputs, if these have the same. */
bool infer_graph_keeps_batch(const infer_graph *g, const graph_node *n);
infer_status infer_graph_remove_dead(infer_graph *g);
infer_status infer_graph_passes(infer_graph *g); /* all of them, in their order */

/* watch.c: what there is of a graph, and what a pass made of it. */
typedef struct graph_census {
    uint32_t *operators; /* nodes of each, by their place in the list */
    size_t nodes, bytes; /* bytes of constants */
    uint64_t time;
} graph_census;
infer_status infer_graph_count(infer_graph *g, graph_census *census);
infer_status infer_graph_tell(infer_graph *g, const char *pass, const graph_census *before);

#endif
