/* Template (real.h): Conv as matrix products over blocks of columns, or directly where each output
 * channel has one input channel. */
#define SOURCE REAL
#include "columns.inc.h"
#undef SOURCE

static void NAME(direct_run)(const infer_conv *c, const REAL *x, const REAL *weights,
                             const REAL *bias, REAL *y) {
    for (size_t n = 0; n < c->batch * c->group; n++, x += c->plane) {
        size_t m = n % c->group * c->outputs;
        for (size_t i = m; i < m + c->outputs; i++, y += c->places) {
            for (size_t j = 0; j < c->places; j++)
                y[j] = bias ? bias[i] : 0;
            infer_taps t;
            for (infer_taps_begin(&t, &c->window); infer_taps_next(&t);) {
                const REAL scale = weights[i * c->taps + t.number], *a = x + t.from;
                REAL *b = y + t.to;
                if (t.step == 1)
                    for (int64_t k = 0; k < t.count; k++)
                        b[k] += scale * a[k];
                else
                    for (int64_t k = 0; k < t.count; k++)
                        b[k] += scale * a[k * t.step];
            }
        }
    }
}

static void NAME(product_run)(const infer_conv *c, const infer_kernels *k, const REAL *x,
                              const REAL *weights, const REAL *bias, REAL *y, REAL *packed) {
    const bool plain = is_plain(&c->window), whole = is_whole(&c->window);
    for (size_t n = 0; n < c->batch * c->group; n++, x += c->channels * c->plane) {
        size_t m = n % c->group * c->outputs;
        if (whole) {
            k->NAME(matvec)(c->outputs, c->depth, weights + m * c->depth, c->depth, x,
                            bias ? bias + m : NULL, y);
            y += c->outputs;
            continue;
        }
        for (size_t first = 0; first < c->places; first += c->block) {
            size_t count = c->places - first < c->block ? c->places - first : c->block;
            if (plain)
                NAME(infer_pack_b)(c->depth, count, x + first, c->plane, false, packed);
            else
                NAME(columns)(c, x, first, count, 0, packed);
            k->NAME(gemm_packed)(c->outputs, count, c->depth, weights + m * c->depth, c->depth,
                                 packed, NULL, y + first, c->places);
            for (size_t i = 0; bias && i < c->outputs; i++)
                for (size_t j = first; j < first + count; j++)
                    y[i * c->places + j] += bias[m + i];
        }
        y += c->outputs * c->places;
    }
}

#undef REAL
#undef S
