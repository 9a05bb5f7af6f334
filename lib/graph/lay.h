/* What the parts of the pass that lays activations out in blocks share: blocked.c is the pass and
 * what works on each channel, lay_channels.c what joins and moves channels and places,
 * lay_frames.c what is a product after all. */
#ifndef INFER_GRAPH_LAY_H
#define INFER_GRAPH_LAY_H

#include "blocked.h"
#include "conv2d.h"
#include "uses.h"

/* Outputs of a convolution: with fewer most of a block would be padding, which costs less than to
 * bring what is in blocks alone out of them. */
#define INFER_LAY_FEWEST 8
#define INFER_LAY_INPUTS 64 /* of a node, at most */

typedef struct graph_layout {
    infer_graph *g;
    size_t count; /* values when the pass began: those that nodes name */
    graph_uses uses;
    uint32_t *blocked; /* the value in blocks, or NO_VALUE */
    bool *missing;     /* it is there in blocks alone */
} graph_layout;

/* The numbers of a window's attributes in a plane. */
typedef struct lay_numbers {
    int64_t room[8][4];
} lay_numbers;

infer_attr infer_lay_int(const char *name, int64_t i);
/* A new node of domain infer or ai.onnx; *out is its output, made where it is NO_VALUE. */
infer_status infer_lay_add(infer_graph *g, const char *domain, const char *op,
                           const graph_node *like, const uint32_t *in, uint32_t in_count,
                           const infer_attr *attrs, size_t attr_count, uint32_t *out);
/* Adds the attributes of n that have these names to a list. */
size_t infer_lay_copy(const graph_node *n, const char *const *names, infer_attr *to);
/* Lists of numbers over one axis get the row's in front: of padding, at both ends. */
void infer_lay_widen(infer_attr *attrs, size_t count, int32_t rank, lay_numbers *numbers);

const infer_view *infer_lay_view(const graph_layout *l, uint32_t value);
bool infer_lay_in_blocks(const graph_layout *l, uint32_t value);
/* One with one spatial axis is an image of one row. */
bool infer_lay_is_image(const infer_view *v);
/* Brings a value into the other form, where it is not there. */
infer_status infer_lay_plain(graph_layout *l, uint32_t value, const graph_node *like);
infer_status infer_lay_blocks(graph_layout *l, uint32_t value, const graph_node *like,
                              uint32_t *to);
/* Node n is replaced by one whose output is n's in blocks. */
infer_status infer_lay_replace(graph_layout *l, const graph_node *n, const char *domain,
                               const char *op, const uint32_t *in, uint32_t in_count,
                               const infer_attr *attrs, size_t attr_count);

infer_view infer_lay_flat(int64_t count);
/* One element a channel as whole panels in a constant. */
infer_status infer_lay_panels(infer_graph *g, const float *from, int64_t channels,
                              const infer_view *shape, uint32_t *value);
/* A convolution's weights; *fits: they do not grow too much. */
infer_status infer_lay_pack(infer_graph *g, const infer_conv2d *c, const float *w, uint32_t *value,
                            bool *fits);

/* Of nodes by their operator: *done is whether another took n's place. */
infer_status infer_lay_concat(graph_layout *l, const graph_node *n, bool *done);
infer_status infer_lay_conv(graph_layout *l, const graph_node *n, bool *done);
infer_status infer_lay_frames(graph_layout *l, const graph_node *n, bool *done);
infer_status infer_lay_resize(graph_layout *l, const graph_node *n, bool *done);
infer_status infer_lay_split(graph_layout *l, const graph_node *n, bool *done);
infer_status infer_lay_shuffle(graph_layout *l, const graph_node *n, bool *done);
infer_status infer_lay_transpose(graph_layout *l, const graph_node *n, bool *done);

#endif
