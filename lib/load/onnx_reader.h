/* What the files of the ONNX loader share: the memory of one parsed model, and how its messages and
 * tensors are read. The runner of ONNX's test data reads its tensors through the same functions. */
#ifndef INFER_ONNX_READER_H
#define INFER_ONNX_READER_H

#include "alloc.h"
#include "map.h"
#include "onnx.pb-c.h"
#include "op.h"

#include <protobuf-c/protobuf-c.h>

/* Messages may be nested this deeply, as in Google's own parser. */
#define INFER_ONNX_DEPTH 100

typedef struct infer_onnx_file infer_onnx_file;
typedef struct infer_onnx_cut infer_onnx_cut;

/* Everything that a parsed model holds; the arena's limit bounds it. */
typedef struct infer_onnx_reader {
    infer_arena arena;
    infer_status refused;   /* why the last allocation failed */
    const char *path;       /* of the model, or NULL; external data lies in its folder */
    infer_onnx_file *files; /* mapped external data */
    infer_onnx_cut *cuts; /* what protobuf-c does not see, in the order of the file (onnx_cut.h) */
    infer_onnx_cut **numbered; /* the same by number */
    uint32_t cut_count;
    const void *model; /* the bytes that are read: tensors may lie in them */
    size_t model_size;
    const infer_map *map; /* that these are; NULL: somebody's memory */
} infer_onnx_reader;

void infer_onnx_reader_init(infer_onnx_reader *r, const infer_allocator *a, size_t limit,
                            const char *path);

/* Frees all that was allocated, messages included, and unmaps the files. */
void infer_onnx_reader_free(infer_onnx_reader *r);

/* Memory until infer_onnx_reader_free; not cleared. NULL with the message and r->refused set. */
void *infer_onnx_alloc(infer_onnx_reader *r, size_t size);

/* Gives a piece back early where it is large. NULL is allowed. */
void infer_onnx_release(infer_onnx_reader *r, void *pointer);

/* Parses size bytes as a message of the given type. The message owns copies of everything but raw
 * data (onnx_cut.h), for which the bytes have to stay; it goes with the reader. */
infer_status infer_onnx_unpack(infer_onnx_reader *r, const ProtobufCMessageDescriptor *type,
                               const void *data, size_t size, ProtobufCMessage **message);

/* A tensor in any of its encodings as a view whose elements live as long as the reader: borrowed
 * from the message or from a mapped file where they lie as operators want them, else converted. */
infer_status infer_onnx_tensor(infer_onnx_reader *r, const Infer__Onnx__TensorProto *tensor,
                               infer_view *view);

/* The same, but floats may lie at any address. */
infer_status infer_onnx_loose_tensor(infer_onnx_reader *r, const Infer__Onnx__TensorProto *tensor,
                                     infer_view *view);

/* A sparse tensor as a dense view. */
infer_status infer_onnx_sparse(infer_onnx_reader *r, const Infer__Onnx__SparseTensorProto *sparse,
                               infer_view *view);

/* The size bytes of a tensor that lies in a file beside the model. */
infer_status infer_onnx_external(infer_onnx_reader *r, const Infer__Onnx__TensorProto *tensor,
                                 size_t size, const void **data);

/* Maps the file of such a tensor ahead of reading it; the bytes of all that are mapped. */
infer_status infer_onnx_map(infer_onnx_reader *r, const Infer__Onnx__TensorProto *tensor);
size_t infer_onnx_external_size(const infer_onnx_reader *r);

/* Lets go of the memory of a part of the model or of a mapped file, which is read again where it is
 * touched; false where it lies in none. */
bool infer_onnx_forget(infer_onnx_reader *r, const void *data, size_t size);
/* Whether it lies in one. */
bool infer_onnx_stays(const infer_onnx_reader *r, const void *data, size_t size);

/* Unmaps all files. */
void infer_onnx_unmap(infer_onnx_reader *r);

#endif
