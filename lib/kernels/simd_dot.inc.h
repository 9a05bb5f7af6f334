/* Template: dot and matvec for element type T, suffix S, in the words of vec.h. Speed comes from
 * independent sums: enough of them to hide the latency of the multiply-add; and, of what does not
 * lie in cache, from reading several places at once. */

/* Elements from which a vector is read as two. */
#ifndef STREAMS_FROM
#define STREAMS_FROM ((size_t)1 << 15)
#endif

/* Adds up two halves at once, as one reader does not fill the memory's pipes. How many elements. */
VEC_INLINE size_t NAME(dot_halves)(const T *a, const T *b, size_t n, VEC *sum) {
    const size_t half = n / (8 * LANES) * (4 * LANES);
    for (size_t i = 0; i < half; i += 4 * LANES)
        foreach (j, 4) {
            size_t low = i + j * LANES, high = half + low;
            sum[j] = V(fma)(V(load)(a + low), V(load)(b + low), sum[j]);
            sum[j + 4] = V(fma)(V(load)(a + high), V(load)(b + high), sum[j + 4]);
        }
    return 2 * half;
}

static T NAME(dot)(const T *a, const T *b, size_t n) {
    const VEC zero = V(set1)(0);
    VEC sum[8] = {zero, zero, zero, zero};
    size_t i = 0;
    if (n >= 8 * LANES) {
        for (size_t j = 4; j < 8; j++)
            sum[j] = zero;
        if (n >= STREAMS_FROM)
            i = NAME(dot_halves)(a, b, n, sum);
        for (; n - i >= 8 * LANES; i += 8 * LANES)
            foreach (j, 8)
                sum[j] = V(fma)(V(load)(a + i + j * LANES), V(load)(b + i + j * LANES), sum[j]);
        foreach (j, 4)
            sum[j] = V(add)(sum[j], sum[j + 4]);
    }
    if (n - i >= 4 * LANES) {
        foreach (j, 4)
            sum[j] = V(fma)(V(load)(a + i + j * LANES), V(load)(b + i + j * LANES), sum[j]);
        i += 4 * LANES;
    }
    foreach (j, 3)
        if (n - i >= LANES) {
            sum[j] = V(fma)(V(load)(a + i), V(load)(b + i), sum[j]);
            i += LANES;
        }
    if (n - i)
        sum[3] = V(fma)(V(load_part)(a + i, n - i, zero), V(load_part)(b + i, n - i, zero), sum[3]);
    return V(sum)(V(add)(V(add)(sum[0], sum[1]), V(add)(sum[2], sum[3])));
}

/* Sums of the rows w[0..rows) times x. Each row is summed alike whatever rows is, so that a row's
 * result depends on k alone. */
VEC_INLINE void NAME(rows)(const size_t rows, size_t k, const T *w, size_t ldw, const T *x,
                           const T *bias, T *y, const size_t step) {
    const VEC zero = V(set1)(0);
    VEC sum[ROWS][ROW_SUMS];
    foreach (r, ROWS)
        foreach (j, ROW_SUMS)
            sum[r][j] = zero;
    size_t i = 0;
    for (; k - i >= ROW_SUMS * LANES; i += ROW_SUMS * LANES)
        foreach (j, ROW_SUMS) {
            VEC v = V(load)(x + i + j * LANES);
            foreach (r, rows)
                sum[r][j] = V(fma)(V(load)(w + r * ldw + i + j * LANES), v, sum[r][j]);
        }
    foreach (j, ROW_SUMS - 1)
        if (k - i >= LANES) {
            VEC v = V(load)(x + i);
            foreach (r, rows)
                sum[r][j] = V(fma)(V(load)(w + r * ldw + i), v, sum[r][j]);
            i += LANES;
        }
    if (k - i) {
        VEC v = V(load_part)(x + i, k - i, zero);
        foreach (r, rows)
            sum[r][ROW_SUMS - 1] =
                V(fma)(V(load_part)(w + r * ldw + i, k - i, zero), v, sum[r][ROW_SUMS - 1]);
    }
    foreach (r, rows)
        foreach (j, ROW_SUMS - 1)
            sum[r][0] = V(add)(sum[r][0], sum[r][j + 1]);
    T out[ROWS];
    V(sum4)(sum[0][0], sum[1][0], sum[2][0], sum[3][0], out);
    foreach (r, rows)
        y[r * step] = bias ? out[r] + bias[r * step] : out[r];
}

/* Rows are taken a quarter of the matrix apart: neighbours would be one stream after the other. */
static void NAME(matvec)(size_t n, size_t k, const T *w, size_t ldw, const T *x, const T *bias,
                         T *y) {
    size_t r = 0, q = n / ROWS;
    for (; r < q; r++)
        NAME(rows)(ROWS, k, w + r * ldw, q * ldw, x, bias ? bias + r : NULL, y + r, q);
    r = q * ROWS;
    w += r * ldw;
    y += r;
    bias = bias ? bias + r : NULL;
    switch (n - r) {
    case 3:
        NAME(rows)(3, k, w, ldw, x, bias, y, 1);
        break;
    case 2:
        NAME(rows)(2, k, w, ldw, x, bias, y, 1);
        break;
    case 1:
        NAME(rows)(1, k, w, ldw, x, bias, y, 1);
        break;
    }
}
