/* Random numbers: MT19937 of Matsumoto and Nishimura, and normal numbers by Marsaglia's polar
 * method. */
#include "random.h"

#include <math.h>

#define WORDS 624 /* of state */
#define APART 397 /* words that are mixed */

void infer_random_seed(infer_random *r, uint32_t seed) {
    r->state[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++)
        r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->next = WORDS;
    r->has_spare = false;
}

void infer_random_seed_wide(infer_random *r, uint64_t seed) {
    infer_random_seed(r, (uint32_t)seed);
    r->state[1] ^= (uint32_t)(seed >> 32);
}

static void refill(infer_random *r) {
    for (size_t i = 0; i < WORDS; i++) {
        uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % WORDS] & 0x7fffffffu);
        r->state[i] = r->state[(i + APART) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->next = 0;
}

static uint32_t next_word(infer_random *r) {
    if (r->next == WORDS)
        refill(r);
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

double infer_random_uniform(infer_random *r) {
    uint32_t high = next_word(r) >> 5, low = next_word(r) >> 6;
    return (high * 0x1p26 + low) * 0x1p-53;
}

double infer_random_normal(infer_random *r) {
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double x, y, square;
    do {
        x = 2 * infer_random_uniform(r) - 1;
        y = 2 * infer_random_uniform(r) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    double factor = sqrt(-2 * log(square) / square);
    r->spare = factor * x;
    r->has_spare = true;
    return factor * y;
}
