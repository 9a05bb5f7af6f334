/* Activations in wide arithmetic, and random ones, for the tests of what applies them. */
#ifndef TESTS_KERNELS_ACTIVATED_H
#define TESTS_KERNELS_ACTIVATED_H

#include "unit.h"
#include "variants.h"

#include "conv2d.h"

/* Of a channel whose number in the panels is ch. */
static inline double activated(const infer_activation *a, size_t ch, double v) {
    double alpha = (double)(a->slopes ? a->slopes[ch] : a->alpha),
           unit = alpha * v + (double)a->beta;
    unit = unit < 0 ? 0 : unit > 1 ? 1 : unit;
    switch (a->kind) {
    case INFER_ACTIVATION_NONE:
        break;
    case INFER_ACTIVATION_LEAKY:
        v = v < 0 ? alpha * v : v;
        break;
    case INFER_ACTIVATION_HARD_SIGMOID:
        v = unit;
        break;
    case INFER_ACTIVATION_HARD_SWISH:
        v *= unit;
        break;
    case INFER_ACTIVATION_SIGMOID:
        v = 1 / (1 + exp(-v));
        break;
    case INFER_ACTIVATION_SWISH:
        v /= 1 + exp(-alpha * v);
        break;
    case INFER_ACTIVATION_GELU:
        v = v / 2 * (1 + erf(v * sqrt(0.5)));
        break;
    case INFER_ACTIVATION_GELU_TANH:
        v /= 1 + exp(-2 * sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v));
        break;
    }
    if (a->kind)
        v = v * (double)a->scale + (double)a->shift;
    v = v < (double)a->low ? (double)a->low : v;
    return v > (double)a->high ? (double)a->high : v;
}

#define ANY_SLOPES 512 /* channels of a convolution at most */

/* One of every kind, in turns: no result moves by more than 1.5 times what v does. */
static inline infer_activation any_activation(void) {
    infer_activation a = INFER_ACTIVATION(
        (infer_activation_kind)choose(INFER_ACTIVATION_GELU_TANH + 1), 0.25f, 0.5f);
    if (choose(3) == 0) {
        a.scale = 0.75f;
        a.shift = -0.375f;
    }
    if (choose(2))
        a.low = choose(2) ? 0 : -0.125f;
    if (choose(4) == 0)
        a.high = 0.75f;
    if (a.kind == INFER_ACTIVATION_LEAKY && choose(2)) {
        static float slopes[ANY_SLOPES];
        for (size_t i = 0; i < ANY_SLOPES; i++)
            slopes[i] = (float)number() / 2;
        a.slopes = slopes;
    }
    return a;
}

#endif
