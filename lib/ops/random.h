/* Random numbers: the stream that NumPy's RandomState gives for a seed, so that models with a seed
 * can be judged by the reference's very numbers. */
#ifndef INFER_OPS_RANDOM_H
#define INFER_OPS_RANDOM_H

#include "infer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Mersenne Twister MT19937. It lives on a run's stack: nothing is kept between runs. */
typedef struct infer_random {
    uint32_t state[624];
    size_t next;
    double spare; /* the second of a pair of normal numbers */
    bool has_spare;
} infer_random;

void infer_random_seed(infer_random *r, uint32_t seed);
/* A seed of 64 bits, whose stream is ours alone. */
void infer_random_seed_wide(infer_random *r, uint64_t seed);

/* In [0, 1), 53 bits. */
double infer_random_uniform(infer_random *r);
/* Mean 0, variance 1. */
double infer_random_normal(infer_random *r);

#endif
