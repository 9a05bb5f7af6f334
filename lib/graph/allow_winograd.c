/* Convolutions in blocks with kernels of 3 x 3 may go by Winograd's algorithm, and others with
 * several taps along an axis by Toom's and Cook's, where a run's extents make them faster. Without
 * this pass they are direct sums, with some seventh of the error, a fifth of it along one axis. */
#include "uses.h"

#include "status.h"

static bool is_candidate(const graph_node *n) {
    const int64_t rows = infer_graph_number(n, "kernel_shape", 0, 0);
    const int64_t columns = infer_graph_number(n, "kernel_shape", 1, 0);
    return infer_graph_is_blocked_conv(n) && (rows > 1 || columns > 1);
}

infer_status infer_graph_allow_winograd(infer_graph *g) {
    const infer_attr allowed = {.name = "winograd", .type = INFER_ATTR_INT, .i = 1};
    for (size_t i = 0; i < g->now->node_count; i++)
        if (is_candidate(g->now->nodes[i]))
            INFER_TRY(infer_graph_add_attr(g, g->now->nodes[i], &allowed));
    return INFER_OK;
}
