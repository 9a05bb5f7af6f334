/* Long lists of attributes, read ahead of the message around them. */
#ifndef INFER_ONNX_LIST_H
#define INFER_ONNX_LIST_H

#include "onnx_reader.h"

/* A list as it was read: narrow, because ensembles of trees have millions of small numbers. */
struct infer_onnx_list {
    const uint8_t *start, *end; /* of the attribute in the file */
    infer_attr_type type;       /* INTS, FLOATS or STRINGS */
    uint64_t count;
    infer_type element; /* of data: UINT8, UINT16, INT32, INT64; FLOAT; STRING, or UINT8 where
                           there are few different strings, and data are their numbers */
    void *data;
    infer_string *names;
    size_t name_count;
    infer_onnx_list *next; /* in the order of the file */
};

/* Whether an attribute holds one list and nothing else that is large. */
bool infer_onnx_is_list(const uint8_t *start, const uint8_t *end);

/* Reads the lists, and writes what is left of the message, in which attributes have the numbers of
 * their lists: *rest is infer_onnx_release's. */
infer_status infer_onnx_take_lists(infer_onnx_reader *r, const void *data, size_t size, void **rest,
                                   size_t *rest_size);

/* The list with a number as an attribute; `narrow` as it is, else as every operator takes it. */
infer_status infer_onnx_list_attr(infer_onnx_reader *r, infer_arena *scratch, uint32_t number,
                                  bool narrow, infer_attr *attr);

#endif
