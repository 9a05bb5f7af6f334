/*
 * The life of a node: what an operator is, what it sees and what it may do.
 *
 * An operator is one constant infer_op in the list (list.h). The same `infer` serves loading, where
 * extents and values may be unknown, and running, where they are concrete. `run` is called only
 * with views that `infer` produced from the very same input shapes and parameters, so `infer`
 * refuses everything that `run` could not do safely: parameters come from untrusted images.
 */
#ifndef INFER_OPS_OP_H
#define INFER_OPS_OP_H

#include "kernels.h"
#include "types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- views ---- */

/* A value as operators see it: contiguous, row-major. Composite kinds have rank 1 and hold views: a
 * sequence or optional has dim[0] of them at data, a map two (keys, values). */
typedef struct infer_view {
    uint8_t kind;       /* infer_kind */
    uint8_t type;       /* infer_type of the elements (below 8 bits they take a byte each), of the
                           tensors in a sequence or optional, of a map's keys */
    uint8_t member;     /* infer_kind of what a sequence or optional holds */
    uint8_t value_type; /* infer_type of a map's values, or of the maps' in a sequence */
    int32_t rank;       /* -1: unknown, while loading or where it depends on data */
    int64_t dim[INFER_MAX_RANK]; /* -1: unknown */
    void *data; /* in infer: NULL unless the value is known; in run: always there */
} infer_view;

/* Number of elements; -1 where an extent is unknown. Extents of a view that exists multiply without
 * overflow: whoever fills one calls infer_view_check. */
int64_t infer_view_count(const infer_view *v);

/* Bytes of a view's elements; only for concrete shapes. */
size_t infer_view_bytes(const infer_view *v);

/* Refuses negative extents (but -1 where unknown is true), ranks above INFER_MAX_RANK and sizes
 * that overflow. */
infer_status infer_view_check(const infer_view *v, bool unknown);

static inline bool infer_view_concrete(const infer_view *v) {
    return infer_view_count(v) >= 0;
}

/* ---- parameters ---- */

/* A list in a parameter record: count elements at offset of the node's blob. Strings are entries
 * of infer_blob_string. A list that was not given has type INFER_TYPE_UNDEFINED. */
typedef struct infer_list {
    uint64_t offset;
    uint64_t count;
    uint32_t type; /* infer_type of the elements */
    uint32_t reserved;
} infer_list;

typedef struct infer_blob_string {
    uint64_t offset, size;
} infer_blob_string;

typedef enum infer_attr_type {
    INFER_ATTR_INT = 1,  /* int64_t field */
    INFER_ATTR_FLOAT,    /* float field */
    INFER_ATTR_STRING,   /* infer_list field: the bytes, type UINT8 */
    INFER_ATTR_ENUM,     /* int64_t field: index into the names of `text`, split by '|' */
    INFER_ATTR_TENSOR,   /* infer_list field: the elements of a tensor of any shape */
    INFER_ATTR_INTS,     /* infer_list field of INT64 */
    INFER_ATTR_FLOATS,   /* infer_list field of FLOAT */
    INFER_ATTR_STRINGS,  /* infer_list field of STRING */
    INFER_ATTR_TYPE,     /* an INT that is an infer_type, checked */
    INFER_ATTR_REJECTED, /* names an attribute that must not be there (see text) */
    INFER_ATTR_GRAPH,    /* infer_body field */
    INFER_ATTR_VALUE,    /* infer_value_type field: a type proto */
    INFER_ATTR_OTHER,    /* in models only: lists of graphs, tensors and types */
    INFER_ATTR_CODES     /* in models only: UINT8 numbers of strings (see INFER_OP_NARROW) */
} infer_attr_type;

/* A body (subgraph) in a parameter record. What it reads of the graph around it was made inputs of
 * the node, the last ones: those of the first body in the attribute table, then of the next. The
 * body takes its own inputs, then these. */
#define INFER_BODY_DEPTH 32 /* bodies within bodies */

typedef struct infer_body {
    uint32_t graph;    /* its number in the image */
    uint32_t captures; /* how many */
} infer_body;

/* A type in a parameter record: of a value whose shape does not matter. Zeros: not given. */
typedef struct infer_value_type {
    uint8_t kind, type, member, value_type; /* as in infer_view */
    uint32_t given;
} infer_value_type;

/* One attribute of an operator: where it goes in the parameter record, its default. Every attribute
 * that the newest version knows stands in the table; one in a model that does not is an error. */
typedef struct infer_op_attr {
    const char *name;
    uint8_t type; /* infer_attr_type */
    bool required;
    uint16_t offset;  /* into the parameter record */
    double number;    /* default of INT, ENUM, TYPE and FLOAT */
    const char *text; /* ENUM: "NONE|SOFTMAX|..."; STRING: default; REJECTED: why */
} infer_op_attr;

/* Table lines: A_INT(struct softmax_params, axis, -1). */
/* clang-format off */
#define A_INT(s, field, value)     {#field, INFER_ATTR_INT, false, offsetof(s, field), value, NULL}
#define A_TYPE(s, field, value)    {#field, INFER_ATTR_TYPE, false, offsetof(s, field), value, NULL}
#define A_FLOAT(s, field, value)   {#field, INFER_ATTR_FLOAT, false, offsetof(s, field), value, NULL}
#define A_ENUM(s, field, v, names) {#field, INFER_ATTR_ENUM, false, offsetof(s, field), v, names}
#define A_STRING(s, field, value)  {#field, INFER_ATTR_STRING, false, offsetof(s, field), 0, value}
#define A_LIST(s, field, kind)     {#field, INFER_ATTR_##kind, false, offsetof(s, field), 0, NULL}
#define A_REQUIRED(s, field, kind) {#field, INFER_ATTR_##kind, true, offsetof(s, field), 0, NULL}
/* clang-format on */

/* ---- what infer and run see ---- */

typedef struct infer_op_env infer_op_env;

/* Part number `part` of the work that arg describes. `worker` is below env->workers, and no two
 * parts that are done at once have the same: scratch may be cut by it. It cannot fail and shares
 * nothing further. */
typedef void infer_work(void *arg, size_t part, size_t worker);

struct infer_op_env {
    const void *params; /* the node's record, params_size bytes */
    const char *blob;   /* base of the lists in params */
    size_t blob_size;
    uint32_t in_count, out_count;
    const infer_view *const *in; /* NULL where an optional input is absent */
    infer_view *const *out;      /* NULL where nobody wants an output */
    const infer_kernels *kernels;
    size_t scratch_size; /* infer sets what run needs; starts as 0 */
    void *scratch;       /* in run: that much, 64-byte aligned, not cleared */
    /* In run: memory that lives until the context's next run, for composite and string outputs and
     * for data-dependent extents; NULL with the message set. */
    void *(*alloc)(infer_op_env *env, size_t size);
    uint32_t workers; /* threads that run may use, 0 as 1; the same in infer and run */
    float part_cost;  /* what a part is worth at least (share.h) */
    size_t worth;     /* parts, at most, of what the node asked for so far (share.h) */
    /* In run, where there are several: has them do all parts of a work (share.h). */
    void (*parallel)(infer_op_env *env, size_t parts, size_t worth, infer_work *work, void *arg);
    /* A number that differs each time, for operators that are INFER_OP_IMPURE. In run only. */
    uint64_t (*entropy)(infer_op_env *env);
    /* What is known of an input or output of a body; false where it has no such. */
    bool (*body_port)(infer_op_env *env, uint32_t graph, bool output, uint32_t index,
                      infer_view *view);
    /* In run: runs a body on copies of the views in[0..in_count) (NULL where absent) and fills
     * out[0..out_count). What out views lives until the call after the next of the same body, so
     * that it may be the next one's input; where `keep` is false, for the moment only: it may be
     * what in views. Bodies never call one another in circles. */
    infer_status (*call)(infer_op_env *env, uint32_t graph, const infer_view *const *in,
                         uint32_t in_count, infer_view *out, uint32_t out_count, bool keep);
    void *owner;
};

/* Memory for output number index (which has to be wanted), of an operator that is INFER_OP_PLACES:
 * takes kind, types, rank and extents from *shape; data is the output's then. What planning has
 * placed already must have the same extents. */
infer_status infer_place(infer_op_env *env, uint32_t index, const infer_view *shape);

/* Output number index, where it is wanted, becomes `value`, which lives until the next run: shared,
 * or copied where planning has placed the output. */
infer_status infer_give(infer_op_env *env, uint32_t index, const infer_view *value);

/* A copy of a value with all that it holds, in memory of env->alloc. */
infer_status infer_view_copy(infer_op_env *env, const infer_view *from, infer_view *to);

/* Lists of the record. Elements of fixed size were checked against the blob when the image was
 * opened; strings are checked here and read as empty where they leave it. */
const void *infer_list_data(const infer_op_env *env, const infer_list *list);
infer_string infer_list_string(const infer_op_env *env, const infer_list *list, uint64_t index);

/* ---- what upgrade and prepare may do (only while loading) ---- */

#define INFER_NO_VALUE UINT32_MAX

/* An attribute as a model has it. INTS: int64_t[count] at data; FLOATS: float[count]; STRINGS:
 * infer_string[count]; STRING: count bytes; TENSOR: tensor with data set; CODES: the strings as
 * STRINGS, and their numbers as a tensor. */
typedef struct infer_attr {
    const char *name;
    infer_attr_type type;
    int64_t i;
    float f;
    size_t count;
    const void *data;
    infer_view tensor;
} infer_attr; /* GRAPH: i is its number among the graph's bodies. VALUE: tensor has kind and types.
               */

/* A node of the graph. Pointers live as long as it. */
typedef struct infer_producer {
    const struct infer_op *op;
    const uint32_t *in, *out;
    uint32_t in_count, out_count;
    const infer_attr *attrs;
    uint32_t attr_count;
} infer_producer;

/* A constant matrix of floats that are integers of 8 bits (INT8, of its shape) times scales
 * (FLOAT): one for each row (axis 0), for each column (1), or one (-1). Both are values. */
typedef struct infer_quantized {
    uint32_t integers, scales;
    int axis;
} infer_quantized;

/* One node and its graph, as an operator may rewrite them. Values are numbers. Everything passed
 * in is copied. Where a function fails that returns a value or memory, the reason stays in
 * `failed`: later ones do nothing, and those with a status return it. So a chain needs no checks
 * but its last. */
typedef struct infer_rewriter infer_rewriter;
struct infer_rewriter {
    int version;        /* of the operator set that the model imports */
    const void *params; /* in upgrade of an operator with one version: its record, checked; the
                           lists are to be had by attr */
    uint32_t in_count, out_count;
    infer_status failed;
    const infer_attr *(*attr)(infer_rewriter *rw, const char *name);      /* NULL: absent */
    infer_status (*set_attr)(infer_rewriter *rw, const infer_attr *attr); /* replaces or adds */
    void (*drop_attr)(infer_rewriter *rw, const char *name);
    uint32_t (*input)(infer_rewriter *rw, uint32_t index); /* NO_VALUE: absent */
    infer_status (*set_input)(infer_rewriter *rw, uint32_t index, uint32_t value); /* may append */
    /* With data where constant; valid until there is a new value. */
    const infer_view *(*view)(infer_rewriter *rw, uint32_t value);
    /* The same, but large floats need not have their data. */
    const infer_view *(*shape)(infer_rewriter *rw, uint32_t value);
    /* A constant's elements where they lie, floats at any address (loose.h); NULL: no constant. */
    const void *(*elements)(infer_rewriter *rw, uint32_t value);
    /* Whether a value is a constant; whether it is such a matrix. */
    bool (*is_constant)(infer_rewriter *rw, uint32_t value);
    bool (*quantized)(infer_rewriter *rw, uint32_t value, infer_quantized *quantized);
    uint32_t (*constant)(infer_rewriter *rw, const infer_view *tensor);
    /* A constant of this shape whose elements, cleared, are the caller's to fill. */
    uint32_t (*room)(infer_rewriter *rw, const infer_view *shape, void **data);
    void *(*alloc)(infer_rewriter *rw, size_t size);              /* lives as long as the graph */
    void (*release)(infer_rewriter *rw, void *data, size_t size); /* or until here */
    /* A new node before this one; its first output. attrs may be NULL. Newest version meant. */
    uint32_t (*add)(infer_rewriter *rw, const char *domain, const char *op, const uint32_t *inputs,
                    uint32_t in_count, const infer_attr *attrs, uint32_t attr_count);
    /* The same with several outputs. */
    infer_status (*add_many)(infer_rewriter *rw, const char *domain, const char *op,
                             const uint32_t *inputs, uint32_t in_count, const infer_attr *attrs,
                             uint32_t attr_count, uint32_t *outputs, uint32_t out_count);
    /* Puts the nodes of the body that attribute `name` is before this node; its own inputs are the
     * values given, outputs are filled. A body can be put somewhere once. */
    infer_status (*inline_body)(infer_rewriter *rw, const char *name, const uint32_t *inputs,
                                uint32_t in_count, uint32_t *outputs, uint32_t out_count);
    /* The value of a name in this graph, NO_VALUE where there is none. */
    uint32_t (*named)(infer_rewriter *rw, const char *name, size_t size);
    /* The node that makes a value; false where none does: an input, a constant. */
    bool (*producer)(infer_rewriter *rw, uint32_t value, infer_producer *producer);
    /* This node's output number index is `value` from now on; a node with all outputs replaced
     * goes. */
    infer_status (*replace)(infer_rewriter *rw, uint32_t index, uint32_t value);
    /* This node becomes another operator (newest version) with the inputs and attributes set. */
    infer_status (*become)(infer_rewriter *rw, const char *domain, const char *op);
};

/* Moves an INTS or INT attribute of an old version to an input of the newest, as int64. Absent:
 * nothing. */
infer_status infer_attr_to_input(infer_rewriter *rw, const char *name, uint32_t index);
/* The same for a FLOAT attribute, as a scalar of the type of input 0. */
infer_status infer_float_to_input(infer_rewriter *rw, const char *name, uint32_t index);
/* Sets an INT attribute, and a STRING or ENUM one. */
infer_status infer_set_int(infer_rewriter *rw, const char *name, int64_t value);
infer_status infer_set_text(infer_rewriter *rw, const char *name, const char *text);

/* Replaces the node by others, given as text, one node a line:
 *     name, name = Domain.Op<attribute=value, ...>(input, ...)
 * An input is a name, $N (input number N of the node), {1.5} (a scalar of input 0's type), a list
 * [1,-1] of INT64, or nothing where absent. An attribute's value is an integer, a number with a
 * dot, a list
 * [..] of either, a "text", or %name: the node's attribute of that name, if it has it. The
 * names @0, @1, ... are the node's outputs. Versions are the newest. (expand.c) */
infer_status infer_expand(infer_rewriter *rw, const char *nodes);

/* infer and run of an operator that upgrade always replaces: only a forged image still has it. */
infer_status infer_expanded(infer_op_env *env);

/* A value that the text may name. */
typedef struct infer_named {
    const char *name;
    uint32_t value;
} infer_named;

/* The same with names that are there before, and with attributes behind % from a list; @0, @1, ...
 * become results[0], results[1], ... */
infer_status infer_expand_with(infer_rewriter *rw, const char *nodes, const infer_named *given,
                               size_t given_count, const infer_producer *attrs, uint32_t *results);

/* ---- the operator ---- */

#define INFER_VARIADIC 255

typedef enum infer_op_flags {
    INFER_OP_INPLACE = 1,     /* output 0 may lie where input 0 (or 1) of the same bytes lies */
    INFER_OP_ALIAS = 2,       /* output 0 is input 0's data under another shape: run copies it only
                                 where the pointers differ */
    INFER_OP_IMPURE = 4,      /* never folded: random numbers */
    INFER_OP_READS_SHAPE = 8, /* run reads the inputs' shapes only (Shape, Size) */
    INFER_OP_PLACES = 16, /* outputs whose extents infer leaves unknown although it has all values:
                             run finds them, by infer_place or by setting the view itself */
    INFER_OP_BODIES = 32, /* has attributes of type GRAPH */
    INFER_OP_NARROW = 64, /* upgrade takes long lists that are not in the table of attributes as
                             tensors of the narrowest integers or of floats, strings as CODES */
    INFER_OP_PACKS = 128  /* gives constants another form while loading, and stands in no image: run
                             reads floats at any address and takes no scratch, no list is among the
                             attributes, the one output may be made when the image is written */
} infer_op_flags;

/* Sets of element types, one bit a type. */
#define T(name)     (UINT64_C(1) << INFER_TYPE_##name)
#define T_SAME      (UINT64_C(1) << 62) /* also: the type of input 0 */
#define T_COMPOSITE (UINT64_C(1) << 61) /* sequences, maps and optionals are welcome too */
#define T_FLOAT     (T(FLOAT) | T(DOUBLE) | T(FLOAT16) | T(BFLOAT16))
#define T_FLOAT8                                                                                   \
    (T(FLOAT8E4M3FN) | T(FLOAT8E4M3FNUZ) | T(FLOAT8E5M2) | T(FLOAT8E5M2FNUZ) | T(FLOAT8E8M0))
#define T_SIGNED   (T(INT8) | T(INT16) | T(INT32) | T(INT64))
#define T_UNSIGNED (T(UINT8) | T(UINT16) | T(UINT32) | T(UINT64))
#define T_INTEGER  (T_SIGNED | T_UNSIGNED)
#define T_NUMERIC  (T_FLOAT | T_INTEGER)
#define T_SUBBYTE  (T(INT4) | T(UINT4) | T(FLOAT4E2M1) | T(INT2) | T(UINT2))
#define T_ALL                                                                                      \
    (T_NUMERIC | T_FLOAT8 | T_SUBBYTE | T(BOOL) | T(STRING) | T(COMPLEX64) | T(COMPLEX128))
#define T_INDEX (T(INT32) | T(INT64))

typedef struct infer_op {
    const char *domain; /* "" is ai.onnx */
    const char *name;
    uint16_t since, newest; /* operator-set versions a model may import */
    uint16_t revision;      /* of the parameter record; grows when its meaning changes */
    uint16_t params_size;
    uint8_t min_in, max_in, min_out, max_out; /* INFER_VARIADIC: any number */
    uint8_t flags;                            /* infer_op_flags */
    uint8_t attr_count;
    const infer_op_attr *attrs;
    uint64_t types[6]; /* allowed types of inputs 0, 1, ...; 0: as the one before */
    /* Loading: rewrites a node of rw->version to the newest meaning. NULL: all versions mean it. */
    infer_status (*upgrade)(infer_rewriter *rw);
    /* Output kinds, types and shapes from those of the inputs; scratch_size. Where an extent cannot
     * be known before the inputs' values are, it stays -1 and infer is called again with them. */
    infer_status (*infer)(infer_op_env *env);
    /* Loading, after shapes are known: packs constants, becomes an internal operator. May be NULL.
     */
    infer_status (*prepare)(infer_rewriter *rw);
    /* No allocation but env->alloc, no globals, nothing kept. */
    infer_status (*run)(infer_op_env *env);
    /* Additions and multiplications of a run with these views; NULL: one an element of the outputs.
     */
    double (*work)(const infer_op_env *env);
    /* What is known of input number index of the body under an attribute, from the node's inputs;
     * NULL: nothing. */
    void (*body_input)(const infer_view *const *in, uint32_t in_count, const char *attr,
                       uint32_t index, infer_view *view);
    /* Number index of the bodies whose outputs may be the node's, with the node's inputs from
     * `first` on as its own; false where there are no more. NULL: none is known. Only what infer
     * accepted is asked. */
    bool (*gives)(const infer_op_env *env, uint32_t index, infer_body *body, uint32_t *first);
} infer_op;

/* ---- the list ---- */

size_t infer_op_count(void);
const infer_op *infer_op_at(size_t index);
/* NULL where there is none. */
const infer_op *infer_op_find(const char *domain, const char *name);

/* Checks counts and types of inputs and outputs; parameters that name something. */
infer_status infer_op_check(const infer_op *op, const infer_op_env *env);

/* The same, then calls op->infer, then checks what it filled. Messages do not name the node: the
 * caller does. */
infer_status infer_op_infer(const infer_op *op, infer_op_env *env);

/* Work of products: each element of output 0 is a sum over the last axis of input 0; over as many
 * as an output has in input 1 [outputs][...], or in input 3. */
double infer_work_rows(const infer_op_env *env);
double infer_work_kernel(const infer_op_env *env);
double infer_work_kernel_3(const infer_op_env *env);

#endif
