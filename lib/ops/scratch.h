/* Sharing out an operator's scratch. */
#ifndef INFER_OPS_SCRATCH_H
#define INFER_OPS_SCRATCH_H

#include "checked.h"

/* Adds rows * columns elements to what has been given out so far, aligned as scratch is; *at is
 * where they lie. false where they do not fit a size_t. */
static inline bool infer_scratch_take(size_t *total, size_t rows, size_t columns, size_t element,
                                      size_t *at) {
    size_t bytes;
    *at = *total;
    return infer_mul(rows, columns, &bytes) && infer_mul(bytes, element, &bytes) &&
           infer_add(*total, bytes, &bytes) && infer_round_up(bytes, 64, total);
}

/* That place; where nothing is needed there is no scratch. */
static inline void *infer_scratch_at(void *scratch, size_t at) {
    return scratch ? (char *)scratch + at : NULL;
}

#endif
