/* The limits that a profile is measured by: what this machine does at best, one thread. */
#include "bench.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

#define TRIES    9
#define PRODUCTS 4e6
#define SPAN     ((size_t)1 << 27) /* bytes that are read for one figure */

const size_t infer_cli_sizes[INFER_CLI_SIZES] = {(size_t)16 << 10, (size_t)256 << 10,
                                                 (size_t)4 << 20, (size_t)64 << 20};

static volatile double sink; /* so that nothing is left out */

/* The most of TRIES: multiply-adds (bytes NULL) or bytes in a nanosecond. */
static double best(const char *bytes, size_t size) {
    double most = 0;
    for (int i = 0; i < TRIES; i++) {
        const uint64_t begin = infer_cli_now();
        if (!bytes)
            sink = infer_limits_fma_f32(PRODUCTS);
        for (size_t done = 0; bytes && done < SPAN; done += size)
            sink = infer_limits_read(bytes, NULL, size);
        const uint64_t took = infer_cli_now() - begin;
        const double rate = (bytes ? (double)SPAN : PRODUCTS) / (double)(took ? took : 1);
        most = rate > most ? rate : most;
    }
    return most;
}

infer_cli_peaks infer_cli_measure_peaks(void) {
    infer_cli_peaks p = {0};
    const size_t most = infer_cli_sizes[INFER_CLI_SIZES - 1];
    char *bytes = infer_limits_exist() ? malloc(most) : NULL;
    if (!bytes)
        return p;
    memset(bytes, 0x3c, most); /* normal numbers, in pages of their own */
    p.fma = best(NULL, 0);
    for (int i = 0; i < INFER_CLI_SIZES; i++)
        p.read[i] = best(bytes, infer_cli_sizes[i]);
    free(bytes);
    return p;
}
