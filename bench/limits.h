/* What this machine does at best: reading memory and multiplying, with nothing else to do. */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include <stddef.h>

/* Whether there is a limit for this processor; without one the others do nothing. */
int bench_limits_exist(void);

/* Reads bytes from a and as many from b (or, with b NULL, from a alone) in four streams, the most
 * that memory gives one core; returns something that depends on every byte. */
double bench_read(const void *a, const void *b, size_t bytes);

/* Multiplies and adds about count numbers in registers. */
double bench_fma_f32(double count);
double bench_fma_f64(double count);

#endif
