/* Discrete Fourier transforms of any length, in double or, where lengths have small factors, single
 * precision. */
#ifndef INFER_OPS_FFT_H
#define INFER_OPS_FFT_H

#include "infer.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct infer_complex {
    double re, im;
} infer_complex;

typedef struct infer_fft {
    bool single;          /* compute in single precision */
    size_t n;             /* elements */
    size_t m;             /* n, or the power of two of the convolution that stands for a hard n */
    infer_complex *roots; /* e^(-2 pi j k / m), k < m */
    infer_complex *in;    /* n: what to transform; lost by running */
    infer_complex *out;   /* n: the result */
    infer_complex *chirp, *filter, *work; /* of the convolution */
} infer_fft;

/* Bytes that a transform of n elements needs. */
infer_status infer_fft_size(size_t n, size_t *bytes);
/* Makes the tables in memory of that size. */
void infer_fft_begin(infer_fft *f, size_t n, bool single, void *memory);
/* out[k] = sum over i of in[i] e^(-2 pi j i k / n). */
void infer_fft_run(const infer_fft *f);

#endif
