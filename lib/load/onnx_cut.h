/* What stays in the file while protobuf-c reads the rest: long lists and raw data. */
#ifndef INFER_ONNX_CUT_H
#define INFER_ONNX_CUT_H

#include "onnx_list.h"
#include "onnx_reader.h"

/* What has fewer bytes is copied. */
#define INFER_ONNX_CUT 4096

struct infer_onnx_cut {
    const uint8_t *start, *end; /* of the fields that are cut out */
    const uint8_t *data;        /* the raw data; NULL: a list */
    size_t size;
    infer_onnx_list list;
    infer_onnx_cut *next;
};

/* Reads the lists, and writes what is left of the message: *rest is infer_onnx_release's. */
infer_status infer_onnx_cut_out(infer_onnx_reader *r, const void *data, size_t size, void **rest,
                                size_t *rest_size);

/* What has a number, if it is of the kind; NULL with the message set. */
const infer_onnx_cut *infer_onnx_cut_at(const infer_onnx_reader *r, uint32_t number, bool raw);

#endif
