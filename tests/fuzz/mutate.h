/* Mutants of ONNX models that keep their structure: what changes is attributes, shapes, types,
 * edges, nodes, initializers, versions. The same number always gives the same mutant. */
#ifndef INFER_TESTS_FUZZ_MUTATE_H
#define INFER_TESTS_FUZZ_MUTATE_H

#include "onnx_reader.h"

#include <stdint.h>

/* A stream of numbers that a seed decides. */
typedef struct dice {
    uint64_t state;
} dice;

uint64_t roll(dice *d);
/* In [0, n); 0 where n is. */
size_t roll_below(dice *d, size_t n);
/* An integer of the kind that breaks things. */
int64_t roll_int(dice *d);
double roll_real(dice *d);

/* Changes a parsed model in a few places. New pieces come from the reader. false: no memory. */
bool mutate_model(infer_onnx_reader *r, Infer__Onnx__ModelProto *m, dice *d);

#endif
