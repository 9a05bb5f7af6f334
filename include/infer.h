/*
 * infer.h - the public interface of libinfer, whole.
 *
 * Ordered simple -> introspective -> expert: load a model and predict; ask what it is; run it
 * with tensors. Every fallible function returns an infer_status; infer_last_error() has the
 * reason in words. NULL or wrong arguments give INFER_ERROR_ARGUMENT, never a crash.
 *
 * Threads: an infer_model is immutable once loaded and may be used from any number of threads at
 * once. An infer_context belongs to one thread at a time.
 *
 * ABI: handles are opaque, enum values are pinned, option structs carry their size. What a release
 * exports, later releases export with the same meaning (docs/abi.md).
 */
#ifndef INFER_H
#define INFER_H

#include <stddef.h>
#include <stdint.h>

#define INFER_VERSION_MAJOR 0
#define INFER_VERSION_MINOR 1
#define INFER_VERSION_PATCH 0

/* Grows by one with every release that adds to the ABI; nothing is ever taken away. */
#define INFER_ABI_VERSION 1

#if defined(__GNUC__)
#define INFER_API __attribute__((visibility("default")))
#else
#define INFER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ------------------------------------------------------------------------------- */

typedef enum infer_status {
    INFER_OK = 0,
    INFER_ERROR_ARGUMENT = 1,    /* a NULL, a wrong count, an unknown name */
    INFER_ERROR_MEMORY = 2,      /* the allocator said no */
    INFER_ERROR_LIMIT = 3,       /* a limit set in the options would be passed */
    INFER_ERROR_IO = 4,          /* a file could not be opened, read, mapped or written */
    INFER_ERROR_FORMAT = 5,      /* the bytes are not a valid model of the format they claim */
    INFER_ERROR_UNSUPPORTED = 6, /* valid, but this build has no such operator, type or format */
    INFER_ERROR_SHAPE = 7,       /* extents do not fit each other or the model */
    INFER_ERROR_TYPE = 8,        /* an element type does not fit */
    INFER_ERROR_VALUE = 9,       /* data that the operator's definition forbids */
    INFER_ERROR_STATE = 10       /* a call out of order: an output before any run */
} infer_status;

/* The name of a status, such as "INFER_ERROR_SHAPE"; "unknown" for other numbers. Static storage.
 * Since 0.1.0. */
INFER_API const char *infer_status_name(infer_status status);

/* The reason of the last failure in the calling thread, in words; "" if there was none. Never
 * NULL. Valid until the next libinfer call of this thread that fails. Since 0.1.0. */
INFER_API const char *infer_last_error(void);

/* The version of the library in use, "major.minor.patch". Static storage. Since 0.1.0. */
INFER_API const char *infer_version(void);

/* INFER_ABI_VERSION of the library in use (the header's constant is that of the caller).
 * Since 0.1.0. */
INFER_API uint32_t infer_abi_version(void);

/* ---- simple: one row in, an answer out ------------------------------------------------------ */

typedef struct infer_model infer_model;

/* Loads a model from a file and recognises its format: a prepared image (.infer), ONNX
 * (.onnx), or the JSON form of linear models (docs/json.md). On success *model is the
 * caller's, to be given to infer_free. On failure *model is NULL and nothing is left open.
 * A prepared image stays mapped from the file, which must not be changed while the model lives
 * (replace it by rename instead). Any thread. Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED, MEMORY,
 * LIMIT, SHAPE, TYPE. Since 0.1.0. */
INFER_API infer_status infer_load(const char *path, infer_model **model);

/* As infer_load, for prepared images only: a static program that calls this one leaves the
 * loaders out. Since 0.1.0. */
INFER_API infer_status infer_open(const char *path, infer_model **model);

/* Computes the primary output of a model that takes numbers.
 *
 * features: feature_count float32 values, row-major; one row of infer_model_feature_count values,
 * or several rows of them. outputs: room for exactly rows * infer_model_output_count values.
 * The primary output is the first one with floating-point elements (of a classifier its
 * probabilities, also where the model wraps them in a ZipMap), or the first numeric one, converted.
 * The caller owns both arrays; they may not overlap. Any thread, without a lock for linear models.
 * Errors: ARGUMENT, SHAPE (counts do not fit; the message says what was expected), TYPE (the
 * model does not take or give numbers), MEMORY, VALUE. Since 0.1.0. */
INFER_API infer_status infer_predict(infer_model *model, const float *features,
                                     size_t feature_count, float *outputs, size_t output_count);

/* As infer_predict for doubles: linear models compute in double, from the coefficients as they were
 * given; graphs compute in their own types, and convert at inputs and outputs that are not double.
 * Since 0.1.0. */
INFER_API infer_status infer_predict_f64(infer_model *model, const double *features,
                                         size_t feature_count, double *outputs,
                                         size_t output_count);

/* Releases a model. NULL is allowed. No context of it may be alive. Since 0.1.0. */
INFER_API void infer_free(infer_model *model);

/* ---- options ----------------------------------------------------------------------------------
 */

/* Where memory comes from. alloc returns 64-byte aligned memory or NULL; both are called from
 * any thread that uses the model. free gets the size that alloc was asked for. */
typedef struct infer_allocator {
    void *(*alloc)(void *user, size_t size);
    void (*free)(void *user, void *pointer, size_t size);
    void *user;
} infer_allocator;

typedef enum infer_validation {
    INFER_VALIDATE_DEFAULT = 0, /* structure: every offset, count, type, index, O(nodes) */
    INFER_VALIDATE_FULL = 1     /* and the content hash, O(bytes) */
} infer_validation;

typedef enum infer_blas {
    INFER_BLAS_DEFAULT = 0, /* the environment's INFER_BLAS, else our own kernels */
    INFER_BLAS_NATIVE = 1,  /* our own kernels */
    INFER_BLAS_OPENBLAS = 2 /* OpenBLAS, opened at this call; UNSUPPORTED where it is missing */
} infer_blas;

/* Weights that take less memory and change answers: never by default. Sums stay in float. */
typedef enum infer_weights {
    INFER_WEIGHTS_GIVEN = 0,    /* as the model has them */
    INFER_WEIGHTS_BFLOAT16 = 1, /* half the size, 8 bits of precision; products of several rows
                                   round their other input, too, where that is faster: with AMX or
                                   INFER_CPU_FAST_BF16 */
    INFER_WEIGHTS_INT8 = 2      /* a quarter: integers times a scale for each column */
} infer_weights;

/* An entry of a model's metadata. */
typedef struct infer_metadata {
    const char *key;
    const char *value;
} infer_metadata;

/* How many nodes of one operator there are more, or fewer, than before; domain "" is ai.onnx. */
typedef struct infer_operator_change {
    const char *domain;
    const char *name;
    int64_t nodes;
} infer_operator_change;

/* What one pass did to a graph that a loader made, bodies included. Pointers are valid during the
 * call. */
typedef struct infer_pass_info {
    size_t struct_size; /* sizeof(infer_pass_info) of the library: later ones append */
    const char *name;   /* those that `without` of the options knows, and "remove-dead", "release",
                           "prepare", which are always there */
    uint64_t nanoseconds;
    size_t nodes_before, nodes_after;
    size_t bytes_before, bytes_after; /* of the constants that nodes and outputs read */
    const infer_operator_change *changes;
    size_t change_count;
} infer_pass_info;

/* Hears of each pass, in their order, after it. */
typedef void infer_pass_observer(void *user, const infer_pass_info *pass);

/* Fill with infer_options_init, then change what you need. Fields are only ever appended. */
typedef struct infer_options {
    size_t struct_size;               /* sizeof(infer_options) of the caller */
    const infer_allocator *allocator; /* NULL: the C library's. Copied. */
    size_t memory_limit;              /* bytes one context may hold; 0: no limit */
    size_t load_limit;                /* bytes a loader may hold; 0: 64 MiB + 16 x the size of the
                                         model and of the files beside it */
    uint32_t cpu_mask;                /* INFER_CPU_* to allow; 0: all the machine has */
    uint32_t threads;                 /* of each context's runs, the caller's included; 0 or 1: none
                                         is started; INFER_THREADS_ALL, or 1024 at most */
    uint32_t validation;              /* infer_validation */
    uint32_t blas;                    /* infer_blas */
    const infer_metadata *metadata;   /* entries that a loader adds, or puts in place of those with
                                         the same key; a prepared image is UNSUPPORTED */
    size_t metadata_count;
    uint64_t iteration_limit; /* bodies of Loop, Scan, If and the like that one run may execute
                                 before it fails with LIMIT; 0: 2^24 */
    const char *without;      /* passes over graphs that a loader leaves out, by their names with
                                 commas between: drop-nothing, fuse-quantized, merge-equal,
                                 fold-linear, fold-norm, fuse-idioms, fuse-gates, fuse-one-hot,
                                 fuse-attention, fuse-rotary, sink-transposes, lay-blocks,
                                 merge-transposes, fuse-blocks, fuse-joined, allow-winograd
                                 (convolutions of several taps are direct sums without it),
                                 fuse-products, join-products, fuse-chains; NULL: none.
                                 For finding which of them makes a difference, and for the smaller
                                 errors of direct sums; a prepared image is UNSUPPORTED */
    infer_pass_observer *pass_observer; /* hears what each pass of a loader does; NULL: nobody. A
                                           prepared image is UNSUPPORTED */
    void *pass_observer_user;
    uint32_t weights; /* infer_weights: what a loader rounds the constant weights of MatMul and Gemm
                         to; a prepared image is UNSUPPORTED */
    uint32_t reserved; /* 0 */
} infer_options;

/* As many threads as there are processors that the process may run on, but no more than the CPU
 * quota of its control group, rounded up. */
#define INFER_THREADS_ALL UINT32_MAX

#define INFER_CPU_AVX2        1u
#define INFER_CPU_AVX512      2u
#define INFER_CPU_AVX512_VNNI 4u
#define INFER_CPU_AVX512_BF16 8u
#define INFER_CPU_NEON        16u
#define INFER_CPU_AMX_BF16    32u
#define INFER_CPU_AMX_INT8    64u
#define INFER_CPU_AVX512_VBMI 128u
#define INFER_CPU_FAST_BF16   256u        /* AVX512_BF16, faster than products in float */
#define INFER_CPU_SCALAR      0x80000000u /* alone: the scalar reference */

/* Sets the defaults. NULL is ignored. Since 0.1.0. */
INFER_API void infer_options_init(infer_options *options);

/* infer_load and infer_open with options; NULL means the defaults. A struct_size that is larger
 * than the library's with a non-zero tail is INFER_ERROR_UNSUPPORTED; a smaller one leaves the
 * missing fields at their defaults. Since 0.1.0. */
INFER_API infer_status infer_load_with(const char *path, const infer_options *options,
                                       infer_model **model);
INFER_API infer_status infer_open_with(const char *path, const infer_options *options,
                                       infer_model **model);

typedef enum infer_ownership {
    INFER_COPY = 0,  /* the library copies what it keeps */
    INFER_BORROW = 1 /* the bytes stay the caller's and unchanged until infer_free; a prepared
                        image at a 64-byte aligned address is used in place, else copied */
} infer_ownership;

/* As infer_load, from size bytes at data. External tensors of ONNX models are refused (there is
 * no folder to look in). Since 0.1.0. */
INFER_API infer_status infer_load_memory(const void *data, size_t size, infer_ownership ownership,
                                         infer_model **model);
INFER_API infer_status infer_load_memory_with(const void *data, size_t size,
                                              infer_ownership ownership,
                                              const infer_options *options, infer_model **model);

/* As infer_load_memory for prepared images only. Since 0.1.0. */
INFER_API infer_status infer_open_memory_with(const void *data, size_t size,
                                              infer_ownership ownership,
                                              const infer_options *options, infer_model **model);

/* ---- models without a file --------------------------------------------------------------------
 */

typedef enum infer_link {
    INFER_LINK_IDENTITY = 0, /* y = Wx + b */
    INFER_LINK_LOGISTIC = 1, /* 1 / (1 + exp(-(Wx + b))), each output by itself */
    INFER_LINK_SOFTMAX = 2,  /* exp(z - max z) / sum over the outputs */
    INFER_LINK_EXP = 3       /* exp(Wx + b), of Poisson, Gamma and Tweedie regressors */
} infer_link;

/* A linear model as arrays. Fill with infer_linear_spec_init, then set. */
typedef struct infer_linear_spec {
    size_t struct_size;         /* sizeof(infer_linear_spec) of the caller */
    size_t feature_count;       /* K, at least 1 */
    size_t output_count;        /* N, rows of coefficients, at least 1 */
    const double *coefficients; /* N x K, row-major */
    const double *intercepts;   /* N, or NULL for zeros */
    uint32_t link;              /* infer_link */
    uint32_t reserved;          /* 0 */
    /* A classifier has class_count > 0 and one of the two lists. With one row of coefficients and
     * two classes the scores become {1 - p, p} (logistic) or {-z, z} (identity). */
    size_t class_count;
    const int64_t *class_ints;
    const char *const *class_strings;
    const char *const *feature_names; /* feature_count names, or NULL */
    /* Features are read as (x - mean) / scale: feature_count each, or NULL. Folded into the
     * coefficients in double precision; where float would lose too many digits of features far
     * from zero, the model computes in double. */
    const double *mean;
    const double *scale;
} infer_linear_spec;

/* Sets the defaults. NULL is ignored. Since 0.1.0. */
INFER_API void infer_linear_spec_init(infer_linear_spec *spec);

/* Builds a linear, logistic or softmax model. Everything is copied; *model is the caller's.
 * Errors: ARGUMENT, VALUE (a number that is not finite, a scale of zero), MEMORY. Since 0.1.0. */
INFER_API infer_status infer_linear(const infer_linear_spec *spec, infer_model **model);

/* Writes any model as a prepared image, by a temporary file beside path and a rename, so that a
 * reader never sees half a file. Errors: ARGUMENT, IO. Since 0.1.0. */
INFER_API infer_status infer_save(const infer_model *model, const char *path);

/* The prepared image itself, *size bytes, 64-byte aligned, valid as long as the model.
 * Since 0.1.0. */
INFER_API infer_status infer_model_image(const infer_model *model, const void **data, size_t *size);

/* Reads every byte of the model's image and compares the content hash. Since 0.1.0. */
INFER_API infer_status infer_verify(const infer_model *model);

/* ---- what is it --------------------------------------------------------------------------------
 */

/* Element types, numbered as ONNX numbers them. */
typedef enum infer_type {
    INFER_TYPE_UNDEFINED = 0,
    INFER_TYPE_FLOAT = 1,
    INFER_TYPE_UINT8 = 2,
    INFER_TYPE_INT8 = 3,
    INFER_TYPE_UINT16 = 4,
    INFER_TYPE_INT16 = 5,
    INFER_TYPE_INT32 = 6,
    INFER_TYPE_INT64 = 7,
    INFER_TYPE_STRING = 8, /* infer_string */
    INFER_TYPE_BOOL = 9,   /* one byte, 0 or 1 */
    INFER_TYPE_FLOAT16 = 10,
    INFER_TYPE_DOUBLE = 11,
    INFER_TYPE_UINT32 = 12,
    INFER_TYPE_UINT64 = 13,
    INFER_TYPE_COMPLEX64 = 14,
    INFER_TYPE_COMPLEX128 = 15,
    INFER_TYPE_BFLOAT16 = 16,
    INFER_TYPE_FLOAT8E4M3FN = 17,
    INFER_TYPE_FLOAT8E4M3FNUZ = 18,
    INFER_TYPE_FLOAT8E5M2 = 19,
    INFER_TYPE_FLOAT8E5M2FNUZ = 20,
    INFER_TYPE_UINT4 = 21, /* types below 8 bits: one element a byte, in its low bits */
    INFER_TYPE_INT4 = 22,  /* sign-extended to the byte */
    INFER_TYPE_FLOAT4E2M1 = 23,
    INFER_TYPE_FLOAT8E8M0 = 24,
    INFER_TYPE_UINT2 = 25,
    INFER_TYPE_INT2 = 26
} infer_type;

typedef enum infer_kind {
    INFER_KIND_TENSOR = 0,
    INFER_KIND_SEQUENCE = 1,
    INFER_KIND_MAP = 2,
    INFER_KIND_OPTIONAL = 3,
    INFER_KIND_SPARSE = 4
} infer_kind;

/* One element of a string tensor: size bytes of UTF-8, not necessarily terminated. */
typedef struct infer_string {
    const char *data;
    size_t size;
} infer_string;

/* The name of an element type as ONNX spells it in type strings ("float", "int64", ...), or
 * "undefined". Static storage. Since 0.1.0. */
INFER_API const char *infer_type_name(infer_type type);

/* Bytes of one element as this interface holds it; 0 for unknown types. Since 0.1.0. */
INFER_API size_t infer_type_size(infer_type type);

/* What an input or output looks like. Pointers are the model's and live as long as it does. */
typedef struct infer_value_info {
    size_t struct_size;         /* set by the caller to sizeof(infer_value_info) */
    const char *name;           /* as the model names it */
    const char *type_string;    /* "tensor(float)", "seq(map(int64,tensor(float)))", ... */
    uint32_t kind;              /* infer_kind */
    uint32_t type;              /* infer_type of a tensor's elements, of a map's keys */
    int32_t rank;               /* -1 where the model does not say */
    uint32_t reserved;          /* 0 */
    const int64_t *shape;       /* rank extents, -1 where dynamic */
    const char *const *symbols; /* rank names of dynamic extents, "" where fixed or nameless */
} infer_value_info;

/* Counts of inputs and outputs; 0 for NULL. Since 0.1.0. */
INFER_API size_t infer_model_inputs(const infer_model *model);
INFER_API size_t infer_model_outputs(const infer_model *model);

/* Describes input or output number index. Since 0.1.0. */
INFER_API infer_status infer_model_input(const infer_model *model, size_t index,
                                         infer_value_info *info);
INFER_API infer_status infer_model_output(const infer_model *model, size_t index,
                                          infer_value_info *info);

/* Values that infer_predict takes and gives per row; 0 where the model takes no fixed number
 * (then infer_predict takes any count as one row) or cannot be used through infer_predict.
 * Since 0.1.0. */
INFER_API size_t infer_model_feature_count(const infer_model *model);
INFER_API size_t infer_model_output_count(const infer_model *model);

/* Name of feature number index, or NULL where the model has no names. Since 0.1.0. */
INFER_API const char *infer_model_feature_name(const infer_model *model, size_t index);

/* Number of class labels of a classifier, 0 for other models; and label number index as text.
 * INFER_TYPE_INT64 or INFER_TYPE_STRING (or UNDEFINED without labels) tells what they were.
 * Since 0.1.0. */
INFER_API size_t infer_model_class_count(const infer_model *model);
INFER_API const char *infer_model_class(const infer_model *model, size_t index);
INFER_API infer_type infer_model_class_type(const infer_model *model);

/* Metadata: "format" (what the model was loaded from), "producer", "graph", and whatever the file
 * carried. Entries number 0, 1, ...; UNDEFINED entries give INFER_ERROR_ARGUMENT. Since 0.1.0. */
INFER_API size_t infer_model_metadata_count(const infer_model *model);
INFER_API infer_status infer_model_metadata(const infer_model *model, size_t index,
                                            const char **key, const char **value);

/* Number of nodes that a run executes, and node number index: its name, and its operator's domain
 * ("" is ai.onnx) and name. Since 0.1.0. */
INFER_API size_t infer_model_nodes(const infer_model *model);
INFER_API infer_status infer_model_node(const infer_model *model, size_t index, const char **name,
                                        const char **domain, const char **op);

/* Bytes that one context of the model holds after a run with the model's own fixed shapes. *exact
 * is 0 where the model does not tell: dynamic extents, each counted as 1; texts, maps and
 * sequences; outputs that are inputs passed through. Since 0.1.0. */
INFER_API infer_status infer_model_memory(const infer_model *model, size_t *bytes, int *exact);

/* ---- operators of this build
 * --------------------------------------------------------------------- */

/* Number of operators, and operator number index: domain ("" is ai.onnx), name and the range of
 * versions that models may ask for. Since 0.1.0. */
INFER_API size_t infer_operators(void);
INFER_API infer_status infer_operator(size_t index, const char **domain, const char **name,
                                      int *since_version, int *newest_version);

/* How many inputs operator number index takes; *most is SIZE_MAX where there may be any number.
 * Since 0.1.0. */
INFER_API infer_status infer_operator_inputs(size_t index, size_t *least, size_t *most);

/* What input number `input` of operator number index may be: bit n of *types stands for the element
 * type with infer_type n, and two bits more for the INFER_TYPES_* below. Errors: ARGUMENT (there is
 * no such operator or input). Since 0.1.0. */
INFER_API infer_status infer_operator_types(size_t index, size_t input, uint64_t *types);

#define INFER_TYPES_SAME      ((uint64_t)1 << 62) /* no other type than input 0 has */
#define INFER_TYPES_COMPOSITE ((uint64_t)1 << 61) /* sequences, maps and optionals */

/* Hears of a node whose operator the library does not have: domain ("" is ai.onnx), operator, the
 * version of the operator set that the model imports (0: none), the node's name. */
typedef void infer_missing_operator(void *user, const char *domain, const char *name, int version,
                                    const char *node);

/* Tells found of every node of a model, with those in bodies and in functions that are called,
 * whose operator or version this library does not have; infer_load names the first one only.
 * Nothing is loaded. Errors: ARGUMENT, IO, FORMAT, MEMORY, LIMIT. Since 0.1.0. */
INFER_API infer_status infer_missing(const char *path, infer_missing_operator *found, void *user);

/* ---- expert: tensors and contexts
 * ------------------------------------------------------------------ */

/* A view of a value; who owns the memory is said where it is used.
 * TENSOR: count elements of type at data, row-major, extents in shape.
 * SEQUENCE: data is infer_value[count]. OPTIONAL: the same with count 0 or 1.
 * MAP: data is infer_value[2], keys (a rank 1 tensor) and values (a tensor or a sequence).
 * SPARSE: data is infer_value[2], values and indices; shape is the dense one. */
typedef struct infer_value {
    uint32_t kind;        /* infer_kind */
    uint32_t type;        /* infer_type: of the elements, of a map's keys; 0 for others */
    uint32_t rank;        /* of a tensor, at most INFER_MAX_RANK */
    uint32_t reserved;    /* 0 */
    const int64_t *shape; /* rank extents */
    void *data;           /* elements, infer_string for strings, or infer_value */
    size_t count;         /* number of elements or members */
} infer_value;

#define INFER_MAX_RANK 16

typedef struct infer_context infer_context;

/* Working memory for runs of a model. One thread at a time; any number per model. A static program
 * gets the operators by linking this function. Errors: ARGUMENT, MEMORY, LIMIT. Since 0.1.0. */
INFER_API infer_status infer_context_new(infer_model *model, infer_context **context);

/* As infer_context_new in memory of the caller, 64-byte aligned, which must outlive the context:
 * nothing is allocated; a run that needs more gives INFER_ERROR_LIMIT with the size in the message.
 * infer_context_free ends it and leaves the memory alone. Since 0.1.0. */
INFER_API infer_status infer_context_new_in(infer_model *model, void *memory, size_t size,
                                            infer_context **context);

/* NULL is allowed. Values borrowed from the context end with it. Since 0.1.0. */
INFER_API void infer_context_free(infer_context *context);

/* Threads that share the work of runs, this one's among them; the answers are the same, bit for
 * bit, whatever their number. They sleep some microseconds after the last run and are woken by runs
 * that are long enough to gain by it, block all signals, and are started again in a process that
 * forked. While one context's run uses a pool, those of others do without. */
typedef struct infer_pool infer_pool;

/* A pool of so many threads, as `threads` in the options, for contexts that infer_context_set_pool
 * gives it to. allocator NULL: the C library's. Any thread. Errors: ARGUMENT, MEMORY (also where
 * threads cannot be started). Since 0.1.0. */
INFER_API infer_status infer_pool_new(uint32_t threads, const infer_allocator *allocator,
                                      infer_pool **pool);

/* Ends the threads. NULL is allowed. No context may use the pool any more. Since 0.1.0. */
INFER_API void infer_pool_free(infer_pool *pool);

/* How many threads it has; 1 of NULL. Since 0.1.0. */
INFER_API uint32_t infer_pool_threads(const infer_pool *pool);

/* The context's runs use the pool, which must outlive it, instead of threads of its own; NULL:
 * none. A context in the caller's memory has threads in no other way. Errors: ARGUMENT, STATE (the
 * context has run). Since 0.1.0. */
INFER_API infer_status infer_context_set_pool(infer_context *context, infer_pool *pool);

/* How many threads share the context's runs; 1 of NULL. Since 0.1.0. */
INFER_API uint32_t infer_context_threads(const infer_context *context);

/* Bytes the context holds now. Since 0.1.0. */
INFER_API size_t infer_context_memory(const infer_context *context);

/* Runs the model.
 *
 * inputs: input_count views, the caller's, read only during the call. input_names names them;
 * NULL means the model's order. Optional trailing inputs may be left out.
 * outputs: output_count views. output_names selects outputs; NULL means the model's order (any
 * number from the first on). A view whose data is NULL on entry is filled to point into the
 * context's memory: borrowed until the next run or the context's end. A view whose data is set is a
 * tensor in the caller's memory: count says how many elements fit; data is written there and
 * shape and rank are filled (shape points into the context); strings cannot be so received.
 * After shapes were seen once, a run with the same shapes allocates nothing.
 * Errors: ARGUMENT, SHAPE, TYPE, VALUE, MEMORY, LIMIT, UNSUPPORTED; the message names the node.
 * Since 0.1.0. */
INFER_API infer_status infer_run(infer_context *context, const char *const *input_names,
                                 const infer_value *inputs, size_t input_count,
                                 const char *const *output_names, infer_value *outputs,
                                 size_t output_count);

/* As infer_predict_f64 by a run of this context, which is observed as any other. Since 0.1.0. */
INFER_API infer_status infer_context_predict_f64(infer_context *context, const double *features,
                                                 size_t feature_count, double *outputs,
                                                 size_t output_count);

/* Called after each node of a run, from the thread that runs: its number (infer_model_node) and the
 * time it took. It may not use the context. */
typedef void infer_node_observer(void *user, size_t node, uint64_t nanoseconds);

/* Has every node of the context's runs timed and told to observer; NULL ends that. Costs two clock
 * readings a node. Errors: ARGUMENT. Since 0.1.0. */
INFER_API infer_status infer_context_observe(infer_context *context, infer_node_observer *observer,
                                             void *user);

/* What a node had to do at least. */
typedef struct infer_node_work {
    size_t struct_size; /* set by the caller to sizeof(infer_node_work) */
    double bytes;       /* of its inputs, weights among them, and its outputs */
    double operations;  /* additions and multiplications of its sums of products, as the operator is
                           defined; of other operators one an element of their outputs */
} infer_node_work;

/* What node number `node` (infer_model_node) did in the context's last run; 0 where planning has
 * done it, or nothing is moved. Errors: ARGUMENT, STATE (no run so far). Since 0.1.0. */
INFER_API infer_status infer_context_node_work(infer_context *context, size_t node,
                                               infer_node_work *work);

/* Any output of the context's last run by name, such as "label" or "probabilities"; borrowed until
 * the next run. Errors: ARGUMENT (no such output), STATE (no run so far). Since 0.1.0. */
INFER_API infer_status infer_output(infer_context *context, const char *name, infer_value *value);

/* The memory that a run's own values need. */
typedef struct infer_plan_info {
    size_t struct_size; /* set by the caller to sizeof(infer_plan_info) */
    size_t
        intermediates; /* bytes of the block in which values lie between nodes, outputs included */
    size_t least;      /* what is needed at once at the worst node: no block could be smaller */
    size_t scratch;    /* of the node that needs the most beside its inputs and outputs */
    size_t context;    /* all that a context holds, as infer_model_memory tells */
    uint32_t exact;    /* 0 where values are left out, as there */
    uint32_t reserved; /* 0 */
} infer_plan_info;

/* Plans a run without running. Names and shapes are those of `count` inputs: type, data and count
 * of a value are not read; dynamic extents of inputs not named count as 1. count may be 0. Errors:
 * ARGUMENT, SHAPE, and what a run may say of shapes. Since 0.1.0. */
INFER_API infer_status infer_model_plan(const infer_model *model, const char *const *names,
                                        const infer_value *shapes, size_t count,
                                        infer_plan_info *info);

/* Does nothing. A static program that uses only infer_open and infer_predict links the linear
 * models alone; one that also names this function links every operator for graph models.
 * Since 0.1.0. */
INFER_API void infer_link_operators(void);

#ifdef __cplusplus
}
#endif

#endif
