/* Long lists of attributes, read where they lie. */
#ifndef INFER_ONNX_LIST_H
#define INFER_ONNX_LIST_H

#include "onnx_reader.h"
#include "onnx_wire.h"

/* A list as it was read: narrow, because ensembles of trees have millions of small numbers. */
typedef struct infer_onnx_list {
    const uint8_t *start, *end; /* of its fields in the file */
    infer_attr_type type;       /* INTS, FLOATS or STRINGS */
    uint64_t count;
    int64_t least, most; /* of integers, and of 0 */
    infer_type element;  /* of data: UINT8, UINT16, INT32, INT64; FLOAT; STRING, or UINT8 where
                            there are few different strings, and data are their numbers */
    void *data;
    infer_string *names;
    size_t name_count;
} infer_onnx_list;

/* Whether an attribute holds one list, field after field, and nothing else that is large; then
 * *list says where it is. */
bool infer_onnx_is_list(const uint8_t *start, const uint8_t *end, infer_onnx_list *list);

/* Reads its elements. */
infer_status infer_onnx_read_list(infer_onnx_reader *r, infer_onnx_list *list);

/* The list with a number as an attribute; `narrow` as it is, else as every operator takes it. */
infer_status infer_onnx_list_attr(infer_onnx_reader *r, infer_arena *scratch, uint32_t number,
                                  bool narrow, infer_attr *attr);

#endif
