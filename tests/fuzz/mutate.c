/* Changing a parsed ONNX model in a few places (see mutate.h). */
#include "mutate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Infer__Onnx__AttributeProto attribute_proto;
typedef Infer__Onnx__GraphProto graph_proto;
typedef Infer__Onnx__NodeProto node_proto;
typedef Infer__Onnx__TensorProto tensor_proto;
typedef Infer__Onnx__ValueInfoProto port_proto;

/* ---- dice ---- */

/* SplitMix64, by Steele, Lea and Flood. */
uint64_t roll(dice *d) {
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

size_t roll_below(dice *d, size_t n) {
    return n ? (size_t)(roll(d) % n) : 0;
}

int64_t roll_int(dice *d) {
    static const int64_t edges[] = {
        0,     1,         -1,        2,          -2,        3,         7,         8,
        16,    64,        127,       128,        255,       256,       1023,      65535,
        65536, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, 1LL << 32, 1LL << 62};
    size_t n = sizeof edges / sizeof *edges;
    return roll_below(d, 3) ? (int64_t)roll_below(d, 8) - 2 : edges[roll_below(d, n)];
}

double roll_real(dice *d) {
    static const double edges[] = {0, -0.0, 1, -1, 0.5, 1e-30, 1e30, -1e30, 3.5, 255.5, 1e300, -7};
    switch (roll_below(d, 12)) {
    case 0:
        return (double)INFINITY;
    case 1:
        return (double)NAN;
    default:
        return edges[roll_below(d, sizeof edges / sizeof *edges)];
    }
}

/* ---- lists of a message ---- */

typedef struct mutation {
    infer_onnx_reader *r;
    Infer__Onnx__ModelProto *m;
    dice *d;
    graph_proto *graphs[64]; /* the model's and all inside */
    size_t graph_count;
    bool failed;
} mutation;

static void *take(mutation *u, size_t size) {
    void *p = infer_onnx_alloc(u->r, size ? size : 1);
    u->failed = u->failed || !p;
    return p;
}

/* The list with room for one more, or with element `gone` left out. */
static void *copy_list(mutation *u, const void *list, size_t *count, size_t element, bool grow,
                       size_t gone) {
    char *copy = take(u, (*count + 1) * element);
    if (!copy)
        return (void *)list;
    if (grow) {
        if (*count)
            memcpy(copy, list, *count * element);
        memset(copy + *count * element, 0, element);
        ++*count;
        return copy;
    }
    if (gone)
        memcpy(copy, list, gone * element);
    memcpy(copy + gone * element, (const char *)list + (gone + 1) * element,
           (*count - gone - 1) * element);
    --*count;
    return copy;
}

#define ADD(list, value)                                                                           \
    do {                                                                                           \
        (list) = copy_list(u, (list), &n_of_list, sizeof *(list), true, 0);                        \
        if (!u->failed)                                                                            \
            (list)[n_of_list - 1] = (value);                                                       \
    } while (0)

static void find_graphs(mutation *u, graph_proto *g) {
    if (!g || u->graph_count == sizeof u->graphs / sizeof *u->graphs)
        return;
    u->graphs[u->graph_count++] = g;
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t a = 0; a < g->node[i]->n_attribute; a++)
            find_graphs(u, g->node[i]->attribute[a]->g);
}

static graph_proto *any_graph(mutation *u) {
    return u->graphs[roll_below(u->d, u->graph_count)];
}

static node_proto *any_node(mutation *u) {
    graph_proto *g = any_graph(u);
    size_t functions = u->m->n_functions;
    if (functions && !roll_below(u->d, 3)) {
        Infer__Onnx__FunctionProto *f = u->m->functions[roll_below(u->d, functions)];
        return f->n_node ? f->node[roll_below(u->d, f->n_node)] : NULL;
    }
    return g->n_node ? g->node[roll_below(u->d, g->n_node)] : NULL;
}

/* A name that some node, input or initializer of a graph has. */
static char *any_name(mutation *u, const graph_proto *g) {
    static char none[] = "", unknown[] = "nobody";
    size_t pick = roll_below(u->d, 8);
    if (pick == 0)
        return none;
    if (pick == 1)
        return unknown;
    if (pick < 4 && g->n_input)
        return g->input[roll_below(u->d, g->n_input)]->name;
    if (pick < 5 && g->n_initializer)
        return g->initializer[roll_below(u->d, g->n_initializer)]->name;
    const node_proto *n = g->n_node ? g->node[roll_below(u->d, g->n_node)] : NULL;
    return n && n->n_output ? n->output[roll_below(u->d, n->n_output)] : none;
}

/* ---- attributes ---- */

static void change_ints(mutation *u, int64_t **list, size_t *count) {
    switch (roll_below(u->d, 4)) {
    case 0:
        if (*count < 64)
            *list = copy_list(u, *list, count, sizeof **list, true, 0);
        break;
    case 1:
        if (*count)
            *list = copy_list(u, *list, count, sizeof **list, false, roll_below(u->d, *count));
        break;
    default:
        if (*count)
            (*list)[roll_below(u->d, *count)] = roll_int(u->d);
    }
}

static void change_floats(mutation *u, float **list, size_t *count) {
    if (*count && roll_below(u->d, 3))
        (*list)[roll_below(u->d, *count)] = (float)roll_real(u->d);
    else if (*count && roll_below(u->d, 2))
        *list = copy_list(u, *list, count, sizeof **list, false, roll_below(u->d, *count));
    else if (*count < 4096)
        *list = copy_list(u, *list, count, sizeof **list, true, 0);
}

/* A text that some attribute knows, or nonsense. */
static void change_text(mutation *u, ProtobufCBinaryData *text) {
    static const char *const known[] = {"",
                                        "SAME_UPPER",
                                        "SAME_LOWER",
                                        "VALID",
                                        "NOTSET",
                                        "linear",
                                        "cubic",
                                        "nearest",
                                        "reflect",
                                        "edge",
                                        "wrap",
                                        "forward",
                                        "reverse",
                                        "bidirectional",
                                        "Relu",
                                        "Tanh",
                                        "Sigmoid",
                                        "Affine",
                                        "sum",
                                        "mean",
                                        "none",
                                        "add",
                                        "mul",
                                        "max",
                                        "DCR",
                                        "CRD",
                                        "SOFTMAX",
                                        "LOGISTIC",
                                        "PROBIT",
                                        "BRANCH_LEQ",
                                        "BRANCH_EQ",
                                        "LEAF",
                                        "TFIDF",
                                        "LOWER",
                                        "floor",
                                        "ij,jk",
                                        "...ij",
                                        "a.*b",
                                        "align_corners",
                                        "asymmetric",
                                        "tf_crop_and_resize"};
    const char *word = known[roll_below(u->d, sizeof known / sizeof *known)];
    text->data = take(u, strlen(word) + 1);
    if (text->data)
        memcpy(text->data, word, strlen(word) + 1);
    text->len = text->data ? strlen(word) : 0;
}

static void change_tensor(mutation *u, tensor_proto *t);

static void change_attribute(mutation *u) {
    node_proto *n = any_node(u);
    if (!n || !n->n_attribute)
        return;
    size_t index = roll_below(u->d, n->n_attribute);
    attribute_proto *a = n->attribute[index];
    if (!roll_below(u->d, 8)) {
        n->attribute =
            copy_list(u, n->attribute, &n->n_attribute, sizeof *n->attribute, false, index);
        return;
    }
    a->i = a->has_i ? roll_int(u->d) : a->i;
    a->f = a->has_f ? (float)roll_real(u->d) : a->f;
    if (a->has_s)
        change_text(u, &a->s);
    if (a->n_ints)
        change_ints(u, &a->ints, &a->n_ints);
    if (a->n_floats)
        change_floats(u, &a->floats, &a->n_floats);
    if (a->n_strings)
        change_text(u, &a->strings[roll_below(u->d, a->n_strings)]);
    if (a->t)
        change_tensor(u, a->t);
}

/* An attribute of another node, for one that does not expect it or has another value of it. */
static void lend_attribute(mutation *u) {
    node_proto *to = any_node(u), *from = any_node(u);
    if (!to || !from || !from->n_attribute || to->n_attribute > 32)
        return;
    attribute_proto *lent = from->attribute[roll_below(u->d, from->n_attribute)];
    if (lent->g) /* it might hold the node that it is lent to */
        return;
    size_t n_of_list = to->n_attribute;
    ADD(to->attribute, lent);
    to->n_attribute = n_of_list;
}

/* ---- tensors and types ---- */

static void change_dims(mutation *u, int64_t **dims, size_t *count) {
    change_ints(u, dims, count);
}

static void change_raw(mutation *u, ProtobufCBinaryData *raw) {
    if (!raw->len)
        return;
    if (!roll_below(u->d, 4)) {
        raw->len = roll_below(u->d, raw->len);
        return;
    }
    int64_t value = roll_int(u->d);
    double real = roll_real(u->d);
    float narrow = (float)real;
    const void *from[] = {&value, &real, &narrow};
    size_t pick = roll_below(u->d, 3), size = pick == 2 ? 4 : 8;
    size_t at = roll_below(u->d, raw->len) / size * size;
    memcpy(raw->data + at, from[pick], raw->len - at < size ? raw->len - at : size);
}

static void change_tensor(mutation *u, tensor_proto *t) {
    switch (roll_below(u->d, 6)) {
    case 0:
        change_dims(u, &t->dims, &t->n_dims);
        break;
    case 1:
        t->data_type = (int32_t)roll_below(u->d, 28);
        break;
    case 2:
        change_ints(u, &t->int64_data, &t->n_int64_data);
        break;
    case 3:
        change_floats(u, &t->float_data, &t->n_float_data);
        break;
    default:
        change_raw(u, &t->raw_data);
    }
}

static void change_initializer(mutation *u) {
    graph_proto *g = any_graph(u);
    if (g->n_initializer)
        change_tensor(u, g->initializer[roll_below(u->d, g->n_initializer)]);
}

static void change_port(mutation *u) {
    graph_proto *g = any_graph(u);
    bool input = roll_below(u->d, 4) != 0;
    size_t count = input ? g->n_input : g->n_output;
    if (!count)
        return;
    port_proto *p = (input ? g->input : g->output)[roll_below(u->d, count)];
    Infer__Onnx__TypeProto__Tensor *t = p->type ? p->type->tensor_type : NULL;
    if (!t)
        return;
    if (!roll_below(u->d, 3)) {
        t->elem_type = (int32_t)roll_below(u->d, 28);
        return;
    }
    if (!t->shape || !t->shape->n_dim || !roll_below(u->d, 8)) {
        t->shape = NULL;
        return;
    }
    size_t index = roll_below(u->d, t->shape->n_dim);
    Infer__Onnx__TensorShapeProto__Dimension *dim = t->shape->dim[index];
    if (!roll_below(u->d, 4)) {
        t->shape->dim =
            copy_list(u, t->shape->dim, &t->shape->n_dim, sizeof *t->shape->dim, false, index);
        return;
    }
    dim->has_dim_value = roll_below(u->d, 4) != 0;
    dim->dim_value = roll_below(u->d, 6) ? (int64_t)roll_below(u->d, 9) : roll_int(u->d);
}

/* ---- edges and nodes ---- */

static void change_edge(mutation *u) {
    graph_proto *g = any_graph(u);
    node_proto *n = g->n_node ? g->node[roll_below(u->d, g->n_node)] : NULL;
    if (!n)
        return;
    char *name = any_name(u, g);
    switch (roll_below(u->d, 5)) {
    case 0:
        if (n->n_input < 64) {
            size_t n_of_list = n->n_input;
            ADD(n->input, name);
            n->n_input = n_of_list;
        }
        break;
    case 1:
        if (n->n_input)
            n->input = copy_list(u, n->input, &n->n_input, sizeof *n->input, false,
                                 roll_below(u->d, n->n_input));
        break;
    case 2:
        if (n->n_output)
            n->output[roll_below(u->d, n->n_output)] = name;
        break;
    default:
        if (n->n_input)
            n->input[roll_below(u->d, n->n_input)] = name;
    }
}

static void change_nodes(mutation *u) {
    graph_proto *g = any_graph(u);
    if (!g->n_node)
        return;
    size_t a = roll_below(u->d, g->n_node), b = roll_below(u->d, g->n_node);
    node_proto *node = g->node[a];
    switch (roll_below(u->d, 3)) {
    case 0: /* out of order: what it reads may come later */
        g->node[a] = g->node[b];
        g->node[b] = node;
        break;
    case 1:
        g->node = copy_list(u, g->node, &g->n_node, sizeof *g->node, false, a);
        break;
    default:
        if (g->n_output)
            g->output[roll_below(u->d, g->n_output)]->name = any_name(u, g);
    }
}

static void change_operator(mutation *u) {
    static const char *const others[] = {"Add",
                                         "MatMul",
                                         "Reshape",
                                         "Concat",
                                         "Gather",
                                         "Slice",
                                         "Transpose",
                                         "Conv",
                                         "MaxPool",
                                         "Resize",
                                         "Pad",
                                         "TopK",
                                         "Einsum",
                                         "Softmax",
                                         "ReduceSum",
                                         "Cast",
                                         "Expand",
                                         "Tile",
                                         "Split",
                                         "Squeeze",
                                         "Where",
                                         "ScatterND",
                                         "GatherND",
                                         "Loop",
                                         "If",
                                         "Scan",
                                         "LSTM",
                                         "GRU",
                                         "Unique",
                                         "NonZero",
                                         "OneHot",
                                         "Range",
                                         "Clip",
                                         "LayerNormalization",
                                         "Attention",
                                         "QuantizeLinear",
                                         "DequantizeLinear",
                                         "DFT",
                                         "Identity",
                                         "SequenceAt",
                                         "SplitToSequence",
                                         "StringSplit",
                                         "TfIdfVectorizer",
                                         "Col2Im"};
    node_proto *n = any_node(u), *from = any_node(u);
    if (!n)
        return;
    if (from && roll_below(u->d, 2))
        n->op_type = from->op_type;
    else
        n->op_type = (char *)others[roll_below(u->d, sizeof others / sizeof *others)];
}

static void change_version(mutation *u) {
    if (u->m->n_opset_import)
        u->m->opset_import[roll_below(u->d, u->m->n_opset_import)]->version =
            roll_below(u->d, 8) ? (int64_t)roll_below(u->d, 28) : roll_int(u->d);
}

/* A function that calls a function, perhaps itself. */
static void change_function(mutation *u) {
    if (!u->m->n_functions)
        return;
    Infer__Onnx__FunctionProto *f = u->m->functions[roll_below(u->d, u->m->n_functions)],
                               *g = u->m->functions[roll_below(u->d, u->m->n_functions)];
    if (!f->n_node)
        return;
    node_proto *n = f->node[roll_below(u->d, f->n_node)];
    n->op_type = g->name;
    n->domain = g->domain;
}

bool mutate_model(infer_onnx_reader *r, Infer__Onnx__ModelProto *m, dice *d) {
    static void (*const kinds[])(mutation *) = {
        change_attribute, change_attribute, change_attribute, lend_attribute,    change_initializer,
        change_port,      change_port,      change_edge,      change_edge,       change_nodes,
        change_operator,  change_version,   change_function,  change_initializer};
    mutation u = {.r = r, .m = m, .d = d};
    find_graphs(&u, m->graph);
    if (!u.graph_count)
        return true;
    for (size_t n = 1 + roll_below(d, 4); n > 0 && !u.failed; n--)
        kinds[roll_below(d, sizeof kinds / sizeof *kinds)](&u);
    return !u.failed;
}
