/* What this machine does at best: reading memory and multiplying, with nothing else to do. The
 * benchmarks measure by it as well. */
#ifndef INFER_CLI_LIMITS_H
#define INFER_CLI_LIMITS_H

#include <stddef.h>

/* Whether there is a limit for this processor; without one the others do nothing. */
int infer_limits_exist(void);

/* Reads bytes from a and as many from b (or, with b NULL, from a alone) in four streams, the most
 * that memory gives one core; returns something that depends on every byte. */
double infer_limits_read(const void *a, const void *b, size_t bytes);

/* Multiplies and adds about count numbers in registers. */
double infer_limits_fma_f32(double count);
double infer_limits_fma_f64(double count);

#endif
