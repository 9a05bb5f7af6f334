/* Watching passes: what there is of a graph before and after each, told to who asked. */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"
#include "ir.h"
#include "status.h"

void infer_graph_observe(infer_graph *g, infer_pass_observer *observer, void *user) {
    g->observer = observer;
    g->observer_user = user;
}

static size_t place_of(const infer_op *op) {
    size_t i = 0;
    while (infer_op_at(i) != op)
        i++;
    return i;
}

static void count_constant(const infer_graph *g, graph_census *c, char *seen, uint32_t value) {
    uint32_t v = infer_graph_resolve(g, value);
    if (v == INFER_NO_VALUE || seen[v] || !g->values[v].constant)
        return;
    seen[v] = 1;
    c->bytes += infer_view_bytes(&g->values[v].view);
}

infer_status infer_graph_count(infer_graph *g, graph_census *c) {
    graph_body **bodies;
    size_t count;
    *c = (graph_census){.operators =
                            infer_arena_array(&g->arena, infer_op_count(), sizeof *c->operators)};
    char *seen = infer_arena_array(&g->arena, g->value_count, 1);
    if (!c->operators || !seen)
        return INFER_ERROR_MEMORY;
    INFER_TRY(infer_graph_live(g, &bodies, &count));
    for (size_t b = 0; b < count; b++) {
        c->nodes += bodies[b]->node_count;
        for (size_t i = 0; i < bodies[b]->node_count; i++) {
            const graph_node *n = bodies[b]->nodes[i];
            c->operators[place_of(n->op)]++;
            for (uint32_t e = 0; e < n->in_count; e++)
                count_constant(g, c, seen, n->in[e]);
        }
        for (size_t i = 0; i < bodies[b]->output_count; i++)
            count_constant(g, c, seen, bodies[b]->outputs[i]);
    }
    c->time = infer_now_ns();
    return INFER_OK;
}

infer_status infer_graph_tell(infer_graph *g, const char *pass, const graph_census *before) {
    uint64_t end = infer_now_ns();
    graph_census after;
    INFER_TRY(infer_graph_count(g, &after));
    infer_operator_change *changes =
        infer_arena_array(&g->arena, infer_op_count(), sizeof *changes);
    if (!changes)
        return INFER_ERROR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < infer_op_count(); i++) {
        const infer_op *op = infer_op_at(i);
        int64_t more = (int64_t)after.operators[i] - before->operators[i];
        if (more)
            changes[count++] = (infer_operator_change){op->domain, op->name, more};
    }
    infer_pass_info info = {.struct_size = sizeof info,
                            .name = pass,
                            .nanoseconds = end - before->time,
                            .nodes_before = before->nodes,
                            .nodes_after = after.nodes,
                            .bytes_before = before->bytes,
                            .bytes_after = after.bytes,
                            .changes = changes,
                            .change_count = count};
    g->observer(g->observer_user, &info);
    return INFER_OK;
}
