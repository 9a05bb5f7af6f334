/*
 * Lays activations out in blocks of 16 channels: convolutions over one or two axes with constant
 * weights become infer.ConvBlocked, and what can follow them in blocks does. Values are taken into
 * blocks and out of them where a run of such nodes begins and ends.
 */
#include "lay.h"

#include "axes.h"
#include "status.h"

#include <math.h>
#include <string.h>

#define MOST_GROWTH 4     /* of the weights of one with groups */
#define SMALL       32768 /* weights that may grow more */

/* ---- making nodes ---- */

infer_attr infer_lay_int(const char *name, int64_t i) {
    return (infer_attr){.name = name, .type = INFER_ATTR_INT, .i = i};
}

/* A new node of domain infer or ai.onnx; *out is its output, made where it is NO_VALUE. */
infer_status infer_lay_add(infer_graph *g, const char *domain, const char *op,
                           const graph_node *like, const uint32_t *in, uint32_t in_count,
                           const infer_attr *attrs, size_t attr_count, uint32_t *out) {
    const graph_new what = {
        infer_op_find(domain, op), like->name, in, in_count, attrs, attr_count, false};
    return infer_graph_add_new(g, &what, out, 1);
}

/* Adds the attributes of n that have these names to a list. */
size_t infer_lay_copy(const graph_node *n, const char *const *names, infer_attr *to) {
    size_t count = 0;
    for (; *names; names++) {
        const infer_attr *a = infer_graph_find_attr(n, *names);
        if (a)
            to[count++] = *a;
    }
    return count;
}

/* Lists of numbers over one axis get the row's in front: of padding, at both ends. */
void infer_lay_widen(infer_attr *attrs, size_t count, int32_t rank, lay_numbers *numbers) {
    for (size_t i = 0; i < count && rank == 3; i++) {
        int64_t *to = numbers->room[i];
        const int64_t *from = attrs[i].data;
        if (attrs[i].type != INFER_ATTR_INTS || attrs[i].count < 1)
            continue;
        bool ends = strcmp(attrs[i].name, "pads") == 0 && attrs[i].count > 1;
        to[0] = ends ? 0 : 1;
        to[1] = from[0];
        to[2] = 0;
        to[3] = ends ? from[1] : 0;
        attrs[i].data = to;
        attrs[i].count = ends ? 4 : 2;
    }
}

/* ---- values in both forms ---- */

const infer_view *infer_lay_view(const graph_layout *l, uint32_t value) {
    return infer_graph_view(l->g, value);
}

bool infer_lay_in_blocks(const graph_layout *l, uint32_t value) {
    return value < l->count && l->blocked[value] != INFER_NO_VALUE;
}

/* One with one spatial axis is an image of one row. */
bool infer_lay_is_image(const infer_view *v) {
    return v->kind == INFER_KIND_TENSOR && v->type == INFER_TYPE_FLOAT &&
           (v->rank == 4 || v->rank == 3) && v->dim[1] > 0;
}

infer_status infer_lay_plain(graph_layout *l, uint32_t value, const graph_node *like) {
    if (value >= l->count || !l->missing[value])
        return INFER_OK;
    l->missing[value] = false;
    const infer_view *v = infer_lay_view(l, value);
    const infer_attr attrs[] = {infer_lay_int("channels", v->dim[1]),
                                infer_lay_int("rank", v->rank)};
    return infer_lay_add(l->g, "infer", "FromBlocks", like, &l->blocked[value], 1, attrs, 2,
                         &value);
}

infer_status infer_lay_blocks(graph_layout *l, uint32_t value, const graph_node *like,
                              uint32_t *to) {
    if (!infer_lay_in_blocks(l, value))
        INFER_TRY(
            infer_lay_add(l->g, "infer", "ToBlocks", like, &value, 1, NULL, 0, &l->blocked[value]));
    *to = l->blocked[value];
    return INFER_OK;
}

/* Node n is replaced by one whose output is n's in blocks. */
infer_status infer_lay_replace(graph_layout *l, const graph_node *n, const char *domain,
                               const char *op, const uint32_t *in, uint32_t in_count,
                               const infer_attr *attrs, size_t attr_count) {
    uint32_t y = INFER_NO_VALUE;
    INFER_TRY(infer_lay_add(l->g, domain, op, n, in, in_count, attrs, attr_count, &y));
    l->blocked[n->out[0]] = y;
    l->missing[n->out[0]] = true;
    return INFER_OK;
}

/* One element a channel as whole panels in a constant. */
infer_status infer_lay_panels(infer_graph *g, const float *from, int64_t channels,
                              const infer_view *shape, uint32_t *value) {
    float *to;
    INFER_TRY(infer_graph_room(g, shape, value, &to));
    if (from)
        memcpy(to, from, (size_t)channels * sizeof *to);
    return INFER_OK;
}

infer_view infer_lay_flat(int64_t count) {
    return (infer_view){.type = INFER_TYPE_FLOAT, .rank = 1, .dim = {count}};
}

/* ---- convolutions ---- */

/* Whether packed weights do not grow too much; their elements. */
static bool fits_model(const infer_conv2d *c, size_t *size) {
    return infer_conv_pack_size(c, size) && *size <= INT64_MAX / sizeof(float) &&
           (c->group == 1 || infer_conv_is_depthwise(c) || *size <= SMALL ||
            *size / MOST_GROWTH <=
                c->outputs * (c->channels / c->group) * c->kernel[0] * c->kernel[1]);
}

infer_status infer_lay_pack(infer_graph *g, const infer_conv2d *c, const float *w, uint32_t *value,
                            bool *fits) {
    size_t size;
    float *packed;
    *fits = fits_model(c, &size);
    if (!*fits)
        return INFER_OK;
    infer_view shape = infer_lay_flat((int64_t)size);
    INFER_TRY(infer_graph_room(g, &shape, value, &packed));
    infer_conv_pack(c, w, NULL, packed);
    return INFER_OK;
}

/* Packs w when the image is written; its outputs are multiplied with factors where it is
 * infer.ScaleRows of a constant. */
static infer_status pack_later(infer_graph *g, const infer_conv2d *c, const graph_node *like,
                               uint32_t w, uint32_t *value, bool *fits) {
    size_t size;
    const infer_attr attrs[] = {infer_lay_int("group", (int64_t)c->group),
                                infer_lay_int("plain", c->plain)};
    const graph_node *scale = g->values[w].recipe;
    *fits = fits_model(c, &size);
    if (!*fits)
        return INFER_OK;
    const bool scaled = infer_graph_is_op(scale, "infer", "ScaleRows");
    return infer_graph_pack(g, like, "PackConv", scaled ? scale->in : &w, scaled ? 2 : 1, attrs, 2,
                            value);
}

infer_status infer_lay_conv(graph_layout *l, const graph_node *n, bool *done) {
    infer_graph *g = l->g;
    infer_view w = {.rank = 0}, b;
    uint32_t x = infer_graph_resolve(g, n->in[0]), in[3];
    const bool weights = infer_graph_are_floats(g, n->in[1], &w);
    const float *bias = NULL;
    const infer_attr *group = infer_graph_find_attr(n, "group");
    const infer_view *from = infer_lay_view(l, x);
    const int32_t rank = w.rank;
    if (!weights || !infer_lay_is_image(infer_lay_view(l, n->out[0])) || g->values[x].constant ||
        from->type != INFER_TYPE_FLOAT || (from->rank >= 0 && from->rank != rank) ||
        (w.dim[0] < INFER_LAY_FEWEST && !l->missing[x]) || w.dim[0] < 1 || w.dim[1] < 1 ||
        w.dim[2] < 1 || w.dim[rank - 1] < 1)
        return INFER_OK;
    const int64_t kernel[] = {rank == 3 ? 1 : w.dim[2], w.dim[rank - 1]};
    if (n->in_count > 2 && n->in[2] != INFER_NO_VALUE &&
        !(bias = infer_graph_floats(g, n->in[2], &b)))
        return INFER_OK;
    infer_conv2d c = {.outputs = (size_t)w.dim[0],
                      .group = group ? (size_t)group->i : 1,
                      .kernel = {(size_t)kernel[0], (size_t)kernel[1]}};
    c.channels = (size_t)w.dim[1] * c.group;
    /* Over one axis sums run over channels, then taps, in the order that other runtimes have:
     * recurrent networks stand behind such convolutions and enlarge what differs. Taps apart from
     * each other are single numbers in plain rows, sixteen in blocks. */
    const bool apart = infer_graph_number(n, "dilations", 0, 1) != 1;
    c.plain = c.group == 1 && c.kernel[1] <= INFER_CONV_PLAIN &&
              ((rank == 3 && c.kernel[1] > 1 && !apart) ||
               (!infer_lay_in_blocks(l, x) && c.channels < INFER_BLOCK));
    INFER_TRY(pack_later(g, &c, n, infer_graph_resolve(g, n->in[1]), &in[1], done));
    if (!*done)
        return INFER_OK;
    infer_view panel = infer_lay_flat(infer_blocks(w.dim[0]) * INFER_BLOCK);
    INFER_TRY(infer_lay_panels(g, bias, w.dim[0], &panel, &in[2]));
    if (c.plain)
        INFER_TRY(infer_lay_plain(l, x, n));
    else
        INFER_TRY(infer_lay_blocks(l, x, n, &in[0]));
    if (c.plain)
        in[0] = x;
    static const char *const names[] = {"strides", "pads", "dilations", "auto_pad", "group", NULL};
    infer_attr attrs[9];
    lay_numbers numbers;
    size_t count = infer_lay_copy(n, names, attrs);
    infer_lay_widen(attrs, count, rank, &numbers);
    attrs[count++] =
        (infer_attr){.name = "kernel_shape", .type = INFER_ATTR_INTS, .count = 2, .data = kernel};
    attrs[count++] = infer_lay_int("channels", (int64_t)c.channels);
    attrs[count++] = infer_lay_int("outputs", w.dim[0]);
    attrs[count++] = infer_lay_int("plain", c.plain);
    return infer_lay_replace(l, n, "infer", "ConvBlocked", in, 3, attrs, count);
}

/* ---- what follows in blocks ---- */

/* Whether nobody wants an output but the first. */
static bool is_alone(const graph_node *n) {
    bool alone = true;
    for (uint32_t i = 1; i < n->out_count; i++)
        alone = alone && n->out[i] == INFER_NO_VALUE;
    return alone;
}

static infer_status lay_norm(graph_layout *l, const graph_node *n, bool *done) {
    infer_graph *g = l->g;
    infer_view v;
    const infer_attr *training = infer_graph_find_attr(n, "training_mode");
    const infer_attr *epsilon = infer_graph_find_attr(n, "epsilon");
    int64_t channels = infer_lay_view(l, n->out[0])->dim[1];
    const float *p[4];
    if ((training && training->i) || !is_alone(n))
        return INFER_OK;
    for (uint32_t i = 0; i < 4; i++)
        if (!(p[i] = infer_graph_floats(g, n->in[i + 1], &v)) || v.rank != 1 ||
            v.dim[0] != channels)
            return INFER_OK;
    infer_view panel = infer_lay_flat(infer_blocks(channels) * INFER_BLOCK);
    uint32_t in[3] = {l->blocked[infer_graph_resolve(g, n->in[0])]};
    float *scale, *shift;
    INFER_TRY(infer_graph_room(g, &panel, &in[1], &scale));
    INFER_TRY(infer_graph_room(g, &panel, &in[2], &shift));
    for (int64_t i = 0; i < channels; i++) {
        double e = epsilon ? (double)epsilon->f : (double)1e-5f;
        double factor = (double)p[0][i] / sqrt((double)p[3][i] + e);
        scale[i] = (float)factor;
        shift[i] = (float)((double)p[1][i] - (double)p[2][i] * factor);
    }
    *done = true;
    return infer_lay_replace(l, n, "infer", "AffineBlocked", in, 3, NULL, 0);
}

/* Each element alone; other inputs are single numbers. */
static infer_status lay_unary(graph_layout *l, const graph_node *n, bool *done) {
    uint32_t in[4];
    if (n->in_count > 4 || !is_alone(n))
        return INFER_OK;
    for (uint32_t i = 0; i < n->in_count; i++) {
        in[i] = infer_graph_resolve(l->g, n->in[i]);
        if (i > 0 && in[i] != INFER_NO_VALUE && !l->g->values[in[i]].constant)
            return INFER_OK;
    }
    in[0] = l->blocked[in[0]];
    *done = true;
    return infer_lay_replace(l, n, "", n->op->name, in, n->in_count, n->attrs, n->attr_count);
}

/* Broadcasting of values with the same channels, of one number, and of one number a channel. */
static infer_status lay_broadcast(graph_layout *l, const graph_node *n, bool *done) {
    infer_graph *g = l->g;
    const int32_t rank = infer_lay_view(l, n->out[0])->rank;
    int64_t channels = infer_lay_view(l, n->out[0])->dim[1];
    uint32_t in[INFER_LAY_INPUTS];
    float *row = infer_arena_array(&g->arena, (size_t)channels, sizeof *row);
    if (!row)
        return INFER_ERROR_MEMORY;
    if (n->in_count > INFER_LAY_INPUTS)
        return INFER_OK;
    for (uint32_t i = 0; i < n->in_count; i++) {
        uint32_t v = in[i] = infer_graph_resolve(g, n->in[i]);
        const infer_view *view = infer_lay_view(l, v);
        if (g->values[v].constant
                ? !infer_graph_channels(g, v, rank, channels, row)
                : !infer_lay_is_image(view) || view->rank != rank || view->dim[1] != channels)
            return INFER_OK;
    }
    for (uint32_t i = 0; i < n->in_count; i++) {
        const infer_view *view = infer_lay_view(l, in[i]);
        if (!g->values[in[i]].constant) {
            INFER_TRY(infer_lay_blocks(l, in[i], n, &in[i]));
        } else if (infer_view_count(view) != 1) {
            infer_view shape = {.type = INFER_TYPE_FLOAT,
                                .rank = 5,
                                .dim = {1, infer_blocks(channels), 1, 1, INFER_BLOCK}};
            infer_graph_channels(g, in[i], rank, channels, row);
            INFER_TRY(infer_lay_panels(g, row, channels, &shape, &in[i]));
        }
    }
    *done = true;
    return infer_lay_replace(l, n, "", n->op->name, in, n->in_count, n->attrs, n->attr_count);
}

static infer_status lay_pool(graph_layout *l, const graph_node *n, bool *done) {
    const char *name = n->op->name;
    static const char *const names[] = {"kernel_shape",      "strides",  "pads",
                                        "dilations",         "auto_pad", "ceil_mode",
                                        "count_include_pad", NULL};
    infer_attr attrs[10];
    lay_numbers numbers;
    if (!is_alone(n))
        return INFER_OK;
    size_t count = infer_lay_copy(n, names, attrs);
    infer_lay_widen(attrs, count, infer_lay_view(l, n->out[0])->rank, &numbers);
    attrs[count++] = infer_lay_int("whole", name[0] == 'G');
    attrs[count++] = infer_lay_int("average", strstr(name, "Average") != NULL);
    *done = true;
    return infer_lay_replace(l, n, "infer", "PoolBlocked",
                             &l->blocked[infer_graph_resolve(l->g, n->in[0])], 1, attrs, count);
}

static infer_status lay_lrn(graph_layout *l, const graph_node *n, bool *done) {
    static const char *const names[] = {"size", "alpha", "beta", "bias", NULL};
    const infer_attr *size = infer_graph_find_attr(n, "size");
    uint32_t x = infer_graph_resolve(l->g, n->in[0]);
    infer_attr attrs[6];
    if (!size || size->i > INFER_LRN_BLOCKED)
        return INFER_OK;
    size_t count = infer_lay_copy(n, names, attrs);
    attrs[count++] = infer_lay_int("channels", infer_lay_view(l, x)->dim[1]);
    *done = true;
    return infer_lay_replace(l, n, "infer", "LrnBlocked", &l->blocked[x], 1, attrs, count);
}

/* What can follow in blocks, if one of its inputs is there; from: the first that counts. */
static const struct {
    const char *names;
    infer_status (*lay)(graph_layout *l, const graph_node *n, bool *done);
    bool any; /* input, not the first alone */
} followers[] = {
    {" BatchNormalization ", lay_norm, false},
    {" Abs Celu Clip Dropout Elu Erf Exp Gelu HardSigmoid HardSwish Identity LeakyRelu Mish Neg "
     "Relu Selu Sigmoid Softplus Softsign Sqrt Swish Tanh ThresholdedRelu ",
     lay_unary, false},
    {" Add Div Max Mean Min Mul Sub Sum ", lay_broadcast, true},
    {" PRelu ", lay_broadcast, false},
    {" Concat ", infer_lay_concat, true},
    {" LRN ", lay_lrn, false},
    {" AveragePool GlobalAveragePool GlobalMaxPool MaxPool ", lay_pool, false},
    {" Resize ", infer_lay_resize, false},
    {" Slice Split ", infer_lay_split, false},
};

bool infer_graph_keeps_batch(const infer_graph *g, const graph_node *n) {
    static const char ours[] =
        " AffineBlocked AffineJoined ConcatBlocked ConvActivated ConvBlocked FromBlocks LrnBlocked "
        "PhasesBlocked PoolBlocked ShuffleBlocked ToBlocks ";
    if (strcmp(n->op->domain, "infer") == 0)
        return infer_graph_is_among(n->op->name, ours);
    const infer_attr *axis = infer_graph_find_attr(n, "axis"); /* Concat's */
    const infer_attr *axes = infer_graph_find_attr(n, "axes"); /* Resize's */
    const uint32_t cut = n->in_count > 3 ? infer_graph_resolve(g, n->in[3]) : INFER_NO_VALUE;
    bool keeps = false;
    for (size_t i = 0; i < sizeof followers / sizeof *followers && !n->op->domain[0]; i++)
        keeps = keeps || infer_graph_is_among(n->op->name, followers[i].names);
    if (strcmp(n->op->name, "Concat") == 0)
        return axis && axis->i > 0;
    if (strcmp(n->op->name, "Resize") == 0)
        return axes && *(const int64_t *)axes->data > 0;
    if (strcmp(n->op->name, "Slice") == 0) /* as they are in blocks */
        return cut != INFER_NO_VALUE && g->values[cut].constant &&
               infer_view_count(infer_graph_view(g, cut)) == 1 &&
               infer_index(infer_graph_view(g, cut), 0) > 0;
    return keeps && strcmp(n->op->name, "Split") != 0;
}

static infer_status lay(graph_layout *l, const graph_node *n, bool *done) {
    const infer_graph *g = l->g;
    if (n->op->domain[0] || n->out_count == 0 || n->in_count == 0 || n->out[0] == INFER_NO_VALUE)
        return INFER_OK;
    if (strcmp(n->op->name, "Conv") == 0) {
        INFER_TRY(infer_lay_frames(l, n, done));
        return *done ? INFER_OK : infer_lay_conv(l, n, done);
    }
    if (strcmp(n->op->name, "ConvTranspose") == 0)
        return infer_lay_transpose(l, n, done);
    if (strcmp(n->op->name, "Reshape") == 0)
        return infer_lay_in_blocks(l, infer_graph_resolve(g, n->in[0]))
                   ? infer_lay_shuffle(l, n, done)
                   : INFER_OK;
    for (size_t i = 0; i < sizeof followers / sizeof *followers; i++) {
        bool follows = false;
        if (!infer_graph_is_among(n->op->name, followers[i].names))
            continue;
        for (uint32_t e = 0; e < (followers[i].any ? n->in_count : 1); e++)
            follows = follows || infer_lay_in_blocks(l, infer_graph_resolve(g, n->in[e]));
        return follows && infer_lay_is_image(infer_lay_view(l, n->out[0]))
                   ? followers[i].lay(l, n, done)
                   : INFER_OK;
    }
    return INFER_OK;
}

static infer_status lay_node(graph_layout *l, graph_node *n) {
    bool done = false;
    infer_status status = lay(l, n, &done);
    if (status != INFER_OK)
        return infer_fail_within(status, "node %s (%s)", n->name, n->op->name);
    if (done)
        return INFER_OK;
    for (uint32_t i = 0; i < n->in_count; i++)
        if (n->in[i] != INFER_NO_VALUE)
            INFER_TRY(infer_lay_plain(l, infer_graph_resolve(l->g, n->in[i]), n));
    return infer_graph_push_node(l->g, n);
}

infer_status infer_graph_lay_blocks(infer_graph *g) {
    graph_body *b = g->now;
    graph_layout l = {.g = g, .count = g->value_count};
    size_t count = b->node_count;
    graph_node **nodes = infer_arena_array(&g->arena, count, sizeof(graph_node *));
    l.blocked = infer_arena_array(&g->arena, l.count, sizeof *l.blocked);
    l.missing = infer_arena_array(&g->arena, l.count, sizeof *l.missing);
    if (!nodes || !l.blocked || !l.missing)
        return INFER_ERROR_MEMORY;
    INFER_TRY(infer_graph_uses(g, &l.uses));
    if (count)
        memcpy(nodes, b->nodes, count * sizeof(graph_node *));
    for (size_t i = 0; i < l.count; i++)
        l.blocked[i] = INFER_NO_VALUE;
    b->node_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!nodes[i]->dead)
            INFER_TRY(lay_node(&l, nodes[i]));
    for (size_t i = 0; i < b->output_count && count; i++)
        INFER_TRY(infer_lay_plain(&l, infer_graph_resolve(g, b->outputs[i]), nodes[count - 1]));
    return INFER_OK;
}
