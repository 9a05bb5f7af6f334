/* The one conversion that types.h cannot express: scales, with a rounding of one's choice. */
#ifndef INFER_BASE_NARROW_H
#define INFER_BASE_NARROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the names of Cast's attribute round_mode. */
typedef enum infer_scale_round {
    INFER_SCALE_UP, /* away from zero */
    INFER_SCALE_DOWN,
    INFER_SCALE_NEAREST /* ties away from zero */
} infer_scale_round;

/* n floats to float8e8m0 (powers of two; the sign is dropped). Out of range, infinity and zero
 * included: the nearest end where saturate is set, else NaN. */
void infer_to_scale(const float *from, uint8_t *to, size_t n, bool saturate,
                    infer_scale_round round);

#endif
