/* One case of ONNX's test data: a folder with model.onnx and test_data_set_N/{input,output}_K.pb.
 */
#ifndef INFER_TESTS_ONNX_CASE_H
#define INFER_TESTS_ONNX_CASE_H

#include "onnx_reader.h"

typedef enum case_result {
    CASE_PASSED = 0,
    CASE_FAILED = 1,
    CASE_SKIPPED = 77,   /* cannot run: the message says why */
    CASE_UNSELECTED = 78 /* has operators that were not asked for */
} case_result;

typedef enum case_kind {
    CASE_FROM_MODEL,
    CASE_FROM_IMAGE, /* from the image that the model is saved as */
    CASE_STARVED     /* from the model, with every allocation failing in turn */
} case_kind;

/* Runs the case in `folder`, or the model of that name where it is a file "light_NAME.onnx": from
 * the model, or from the image that the model is saved as. ops, where not NULL, restricts it (see
 * onnx_runner.c). Of the options cpu_mask and without count. message says what failed or why it was
 * skipped. */
case_result run_case(const char *folder, const char *ops, case_kind kind,
                     const infer_options *options, char *message, size_t size);

/* onnx_values.c: the message in size bytes at data as a value of this kind. */
infer_status read_value(infer_onnx_reader *r, uint32_t kind, const void *data, size_t size,
                        infer_value *value);

/* onnx_values.c: element number i of a tensor of numbers. */
double value_number(const infer_value *v, size_t i);

/* onnx_values.c: whether two values are the same within ONNX's tolerances; if not, why holds the
 * reason. */
int same_value(const infer_value *got, const infer_value *expected, char *why, size_t size);

#endif
