/* The reference of the kernels over blocks of channels, in plain C. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#define BLOCK 16

static float clipped(const infer_activation *a, float v) {
    v = v < a->low ? a->low : v;
    return v > a->high ? a->high : v;
}

/* Of a channel whose number in the panels is ch. */
static float activated(const infer_activation *a, size_t ch, float v) {
    float unit = a->alpha * v + a->beta;
    unit = unit < 0 ? 0 : unit > 1 ? 1 : unit;
    switch (a->kind) {
    case INFER_ACTIVATION_NONE:
        return clipped(a, v);
    case INFER_ACTIVATION_LEAKY:
        v = v < 0 ? (a->slopes ? a->slopes[ch] : a->alpha) * v : v;
        break;
    case INFER_ACTIVATION_HARD_SIGMOID:
        v = unit;
        break;
    case INFER_ACTIVATION_HARD_SWISH:
        v *= unit;
        break;
    case INFER_ACTIVATION_SIGMOID:
        v = 1 / (1 + expf(-v));
        break;
    case INFER_ACTIVATION_SWISH:
        v *= 1 / (1 + expf(-a->alpha * v));
        break;
    case INFER_ACTIVATION_GELU:
        v = v / 2 * (1 + erff(v * 0.70710678f));
        break;
    case INFER_ACTIVATION_GELU_TANH:
        v /= 1 + expf(-2 * 0.79788456f * (v + 0.044715f * v * v * v));
        break;
    }
    return clipped(a, v * a->scale + a->shift);
}

/* The input's channels from ch on at a place that is inside. */
static const float *input_at(const infer_conv2d *c, const float *x, size_t ch, size_t row,
                             size_t column) {
    size_t place = row * c->in[1] + column, plane = c->in[0] * c->in[1];
    return c->plain ? x + ch * plane + place
                    : x + (ch / BLOCK * plane + place) * BLOCK + ch % BLOCK;
}

/* sum[0..16) += the products of panel p at output place (o[0], o[1]). */
static void sum_place(const infer_conv2d *c, const size_t *o, size_t first, size_t end,
                      const float *x, const float *w, float *sum) {
    size_t taps = c->kernel[0] * c->kernel[1], rows[2], columns[2], step;
    infer_conv_taps(c, 0, o[0], &rows[0], &rows[1]);
    infer_conv_taps(c, 1, o[1], &columns[0], &columns[1]);
    for (size_t ch = first; ch < end; ch += step, w += step * taps * BLOCK) {
        step = c->plain ? 1 : BLOCK - ch % BLOCK;
        step = step < end - ch ? step : end - ch;
        for (size_t i = rows[0]; i < rows[1]; i++)
            for (size_t j = columns[0]; j < columns[1]; j++) {
                const float *v = w + (i * c->kernel[1] + j) * step * BLOCK;
                const float *a =
                    input_at(c, x, ch, o[0] * c->stride[0] + i * c->dilation[0] - c->before[0],
                             o[1] * c->stride[1] + j * c->dilation[1] - c->before[1]);
                for (size_t k = 0; k < step; k++)
                    for (size_t m = 0; m < BLOCK; m++)
                        sum[m] += a[k] * v[k * BLOCK + m];
            }
    }
}

/* Of the tiles of conv_line.h, the one that a place of all lines is in. */
static size_t line_tile(const infer_line *l, size_t place) {
    const size_t at = place % l->out;
    return place / l->out * l->of_line + at / l->step / l->outputs * l->step + at % l->step;
}

/* Places are counted by themselves or, `tile` being 4, by tiles of 4 x 4, or by those of a line. */
static void conv_part(const infer_conv2d *c, const infer_conv_part *part, size_t tile,
                      const infer_line *line, const float *x, const float *w, const float *bias,
                      const float *add, float *y) {
    size_t taps = c->kernel[0] * c->kernel[1], columns = (c->out[1] + tile - 1) / tile, at = 0;
    for (size_t p = 0; p < part->panel + part->panels; p++) {
        size_t first, end, o[2];
        infer_conv_range(c, p, &first, &end);
        for (o[0] = 0; o[0] < c->out[0]; o[0]++)
            for (o[1] = 0; o[1] < c->out[1]; o[1]++, at += BLOCK) {
                size_t place = line ? line_tile(line, o[0] * c->out[1] + o[1])
                                    : o[0] / tile * columns + o[1] / tile;
                if (p < part->panel || place < part->place || place - part->place >= part->places)
                    continue;
                float sum[BLOCK] = {0};
                sum_place(c, o, first, end, x, w, sum);
                for (size_t m = 0; m < BLOCK; m++) {
                    const float plus = add ? add[at + m] : 0, s = sum[m] + bias[p * BLOCK + m];
                    y[at + m] = c->act.late ? activated(&c->act, p * BLOCK + m, s) + plus
                                            : activated(&c->act, p * BLOCK + m, s + plus);
                }
            }
        w += (end - first) * taps * BLOCK;
    }
}

static void conv_blocked_f32(const infer_conv2d *c, const infer_conv_part *part, const float *x,
                             const float *w, const float *bias, const float *add, float *y,
                             float *scratch) {
    (void)scratch;
    conv_part(c, part, 1, NULL, x, w, bias, add, y);
}

/* The references save nothing. */
static void conv_winograd_f32(const infer_conv2d *c, const infer_conv_part *part, const float *x,
                              const float *w, const float *bias, const float *add, float *y,
                              float *scratch) {
    const infer_winograd g = infer_winograd_of(c);
    const size_t in = (c->channels + 15) / BLOCK * c->in[0] * c->in[1] * BLOCK;
    const size_t out = (c->outputs + 15) / BLOCK * c->out[0] * c->out[1] * BLOCK;
    (void)scratch;
    for (size_t i = 0; i < g.tiles / g.of_image; i++) {
        const size_t before = i * g.of_image, end = part->place + part->places;
        infer_conv_part own = *part;
        own.place = part->place > before ? part->place - before : 0;
        own.places = end > before + own.place ? end - before - own.place : 0;
        conv_part(c, &own, 4, NULL, x + i * in, w, bias, add ? add + i * out : NULL, y + i * out);
    }
}

static void conv_line_f32(const infer_conv2d *c, const infer_conv_part *part, const float *x,
                          const float *w, const float *bias, const float *add, float *y,
                          float *scratch) {
    const infer_line line = infer_line_of(c);
    (void)scratch;
    conv_part(c, part, 1, &line, x, w, bias, add, y);
}

static void conv_depthwise_f32(const infer_conv2d *c, const float *x, const float *w,
                               const float *bias, const float *add, float *y) {
    size_t taps = c->kernel[0] * c->kernel[1], plane = c->in[0] * c->in[1], at = 0;
    for (size_t p = 0; p * BLOCK < c->channels; p++, w += taps * BLOCK, x += plane * BLOCK)
        for (size_t i = 0; i < c->out[0]; i++)
            for (size_t j = 0; j < c->out[1]; j++, at += BLOCK) {
                float sum[BLOCK] = {0};
                size_t rows[2], columns[2];
                infer_conv_taps(c, 0, i, &rows[0], &rows[1]);
                infer_conv_taps(c, 1, j, &columns[0], &columns[1]);
                for (size_t k = rows[0]; k < rows[1]; k++)
                    for (size_t l = columns[0]; l < columns[1]; l++) {
                        const float *v = w + (k * c->kernel[1] + l) * BLOCK;
                        const float *a =
                            x + ((i * c->stride[0] + k * c->dilation[0] - c->before[0]) * c->in[1] +
                                 j * c->stride[1] + l * c->dilation[1] - c->before[1]) *
                                    BLOCK;
                        for (size_t m = 0; m < BLOCK; m++)
                            sum[m] += a[m] * v[m];
                    }
                for (size_t m = 0; m < BLOCK; m++)
                    y[at + m] = activated(&c->act, p * BLOCK + m,
                                          sum[m] + bias[p * BLOCK + m] + (add ? add[at + m] : 0));
            }
}

static void pool_blocked_f32(const infer_conv2d *c, const float *x, float *y) {
    size_t plane = c->in[0] * c->in[1];
    for (size_t p = 0; p * BLOCK < c->channels; p++, x += plane * BLOCK)
        for (size_t i = 0; i < c->out[0]; i++)
            for (size_t j = 0; j < c->out[1]; j++, y += BLOCK) {
                size_t rows[2], columns[2];
                infer_conv_taps(c, 0, i, &rows[0], &rows[1]);
                infer_conv_taps(c, 1, j, &columns[0], &columns[1]);
                float count = infer_pool_count(c, i, j);
                for (size_t m = 0; m < BLOCK; m++)
                    y[m] = c->average ? 0 : -INFINITY;
                for (size_t k = rows[0]; k < rows[1]; k++) {
                    float sum[BLOCK] = {0};
                    for (size_t l = columns[0]; l < columns[1]; l++) {
                        const float *a =
                            x + ((i * c->stride[0] + k * c->dilation[0] - c->before[0]) * c->in[1] +
                                 j * c->stride[1] + l * c->dilation[1] - c->before[1]) *
                                    BLOCK;
                        for (size_t m = 0; m < BLOCK; m++)
                            if (c->average)
                                sum[m] += a[m];
                            else
                                y[m] = a[m] > y[m] ? a[m] : y[m];
                    }
                    for (size_t m = 0; m < BLOCK && c->average; m++)
                        y[m] += sum[m];
                }
                for (size_t m = 0; m < BLOCK && c->average; m++)
                    y[m] /= count;
            }
}

static void lrn_blocked_f32(const infer_conv2d *c, size_t size, float scale, float bias,
                            const float *x, float *y) {
    const size_t plane = c->in[0] * c->in[1], before = (size - 1) / 2;
    for (size_t at = 0; at < (c->channels + 15) / BLOCK * plane * BLOCK; at++) {
        size_t ch = at / BLOCK / plane * BLOCK + at % BLOCK, place = at / BLOCK % plane;
        size_t end = ch + size - before < c->channels ? ch + size - before : c->channels;
        float sum = 0;
        if (place >= c->out[0] * c->out[1])
            continue;
        for (size_t k = ch < before ? 0 : ch - before; k < end; k++) {
            float v = x[(k / BLOCK * plane + place) * BLOCK + k % BLOCK];
            sum += v * v;
        }
        float root = sqrtf(bias + scale * sum);
        y[at] = x[at] / (root * sqrtf(root));
    }
}

static void shuffle_blocked_f32(const infer_conv2d *c, size_t block, const float *x, float *y) {
    const size_t plane = c->in[0] * c->in[1];
    for (size_t m = 0; m < BLOCK; m++) {
        size_t i = block * BLOCK + m < c->channels ? block * BLOCK + m : c->channels - 1;
        i = i % c->group * (c->channels / c->group) + i / c->group;
        for (size_t k = 0; k < plane; k++)
            y[k * BLOCK + m] = x[(i / BLOCK * plane + k) * BLOCK + i % BLOCK];
    }
}

static void affine_blocked_f32(const infer_conv2d *c, const float *x, const float *scale,
                               const float *shift, float *y) {
    size_t plane = c->in[0] * c->in[1];
    for (size_t p = 0; p * BLOCK < c->channels; p++)
        for (size_t i = 0; i < plane; i++, x += BLOCK, y += BLOCK)
            for (size_t m = 0; m < BLOCK; m++)
                y[m] = clipped(&c->act, x[m] * scale[p * BLOCK + m] + shift[p * BLOCK + m]);
}

static void gelu_f32(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * 0.5f + x[i] * 0.5f * erff(x[i] * 0.70710678118654752440f);
}

static void clip_f32(const float *x, float *y, size_t n, float low, float high) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < low ? low : x[i];
        y[i] = v > high ? high : v;
    }
}

static void activate_f32(const infer_activation *a, const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = activated(a, i % BLOCK, x[i]);
}

static void widen_panel_f32(size_t k, const int8_t *x, const float *scale, float *y) {
    for (size_t i = 0; i < k * INFER_PANEL; i++)
        y[i] = (float)x[i] * scale[i % INFER_PANEL];
}

static void gemm_scaled_f32(size_t m, size_t n, size_t k, const float *a, size_t lda,
                            const void *packed, const float *bias, float *c, size_t ldc) {
    const char *panel = packed;
    for (size_t p = 0; p < n; p += INFER_PANEL) {
        const float *scale = (const float *)(const void *)panel;
        const int8_t *x = (const int8_t *)(scale + INFER_PANEL);
        for (size_t j = p; j < n && j < p + INFER_PANEL; j++)
            for (size_t i = 0; i < m; i++) {
                float sum = 0;
                for (size_t l = 0; l < k; l++)
                    sum += a[i * lda + l] * ((float)x[l * INFER_PANEL + j - p] * scale[j - p]);
                c[i * ldc + j] = sum + (bias ? bias[j] : 0);
            }
        panel += INFER_PANEL * (sizeof *scale + k);
    }
}

static void widen_half_f32(const uint16_t *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&y[i], &bits, sizeof bits);
    }
}

static float rounded_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    bits = nan ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

static bool gemm_half_f32(size_t m, size_t n, size_t k, const float *a, size_t lda,
                          const uint16_t *packed, const float *bias, float *c, size_t ldc,
                          void *scratch) {
    (void)scratch;
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < n; p += INFER_PANEL) {
            const size_t columns = n - p < INFER_PANEL ? n - p : INFER_PANEL;
            float sums[INFER_PANEL] = {0}, row[INFER_PANEL];
            for (size_t l = 0; l < k; l++) {
                const float x = rounded_half(a[i * lda + l]);
                widen_half_f32(packed + p * k + l * INFER_PANEL, row, INFER_PANEL);
                for (size_t j = 0; j < INFER_PANEL; j++)
                    sums[j] += x * row[j];
            }
            for (size_t j = 0; j < columns; j++)
                c[i * ldc + p + j] = (bias ? bias[p + j] : 0) + sums[j];
        }
    return true;
}

static void normalize_f32(const float *x, size_t n, float epsilon, bool centered,
                          const float *scale, const float *bias, float *y) {
    double mean = 0, var = 0;
    for (size_t i = 0; centered && i < n; i++)
        mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    const float m = (float)mean, f = (float)(1 / sqrt(var + (double)epsilon));
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - m) * f * scale[i] + (bias ? bias[i] : 0);
}

#define BINARY(name, op)                                                                           \
    static void name(const void *a_, size_t sa, const void *b_, size_t sb, void *y_, size_t n) {   \
        const float *a = a_, *b = b_;                                                              \
        float *y = y_;                                                                             \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = a[i * sa] op b[i * sb];                                                         \
    }
BINARY(add_f32, +)
BINARY(sub_f32, -)
BINARY(mul_f32, *)
BINARY(div_f32, /)

#include "scalar_attention.inc.h"

void infer_kernels_scalar_blocked(infer_kernels *k) {
#define INSTALL(result, name, parameters) k->name = name;
    INFER_KERNELS_BLOCKED(INSTALL)
#undef INSTALL
}
