/* Convolutions of small maps: the places of all images are the rows of one product. A map of a few
 * places fills no tile and reads all weights for them; all images together fill whole tiles. */
#include "conv_joined.h"

#include "share.h"

#include <string.h>

#define PLACES 28                /* of an image: two tiles of the largest tier */
#define FLOATS ((size_t)1 << 17) /* of the rows in scratch, about */
#define SLACK  4                 /* floats that are copied at once where a kernel has less */

static size_t depth_of(const infer_conv2d *c) {
    return c->channels * c->kernel[0] * c->kernel[1];
}

static size_t panels_of(const infer_conv2d *c) {
    return (c->outputs + INFER_BLOCK - 1) / INFER_BLOCK;
}

/* Floats of a row: its inputs, then its outputs. */
static size_t row_of(const infer_conv2d *c) {
    return depth_of(c) + panels_of(c) * INFER_BLOCK;
}

typedef struct joined_work {
    const infer_conv2d *c;
    infer_op_env *env;
    size_t in, out;          /* floats of an image */
    size_t rows;             /* of all images */
    size_t by_row, by_panel; /* parts */
} joined_work;

/* ---- plain inputs ---- */

/* Rows and columns of an image with its padding, as far as kernels reach. */
static size_t padded(const infer_conv2d *c, int axis) {
    return (c->out[axis] - 1) * c->stride[axis] + (c->kernel[axis] - 1) * c->dilation[axis] + 1;
}

/* Floats of an image with its padding, and of what copies read behind it. */
static size_t padded_size(const infer_conv2d *c) {
    return c->plain ? c->channels * padded(c, 0) * padded(c, 1) + SLACK : 0;
}

static void pad_image(const infer_conv2d *c, const float *x, float *to) {
    const size_t rows = padded(c, 0), columns = padded(c, 1), height = c->in[0], width = c->in[1];
    const size_t above = c->before[0], left = c->before[1] < columns ? c->before[1] : columns;
    const size_t kept = width < columns - left ? width : columns - left;
    memset(to, 0, padded_size(c) * sizeof *to);
    for (size_t ch = 0; ch < c->channels; ch++, x += height * width, to += rows * columns)
        for (size_t r = above; r < rows && r - above < height; r++)
            if (kept == 4) /* shorter than a call */
                memcpy(to + r * columns + left, x + (r - above) * width, 4 * sizeof *to);
            else
                memcpy(to + r * columns + left, x + (r - above) * width, kept * sizeof *to);
}

/* The inputs of one place of an image with its padding, in the order of the weights' rows. Short
 * kernels are copied a whole vector at a time, over what the next copy writes. */
static void copy_plain(const infer_conv2d *c, const float *x, size_t place, float *a) {
    const size_t rows = padded(c, 0), columns = padded(c, 1), taps = c->kernel[1];
    const size_t step = c->dilation[1], down = c->dilation[0] * columns;
    const size_t lines = c->kernel[0], count = c->channels;
    x += place / c->out[1] * c->stride[0] * columns + place % c->out[1] * c->stride[1];
    if (taps <= SLACK && step == 1 && lines == 1) { /* the most common, with the shortest copies */
        for (size_t ch = 0; ch < count; ch++, a += taps, x += rows * columns)
            memcpy(a, x, SLACK * sizeof *a);
        return;
    }
    for (size_t ch = 0; ch < count; ch++, x += rows * columns) {
        const float *from = x;
        if (taps <= SLACK && step == 1)
            for (size_t r = 0; r < lines; r++, a += taps, from += down)
                memcpy(a, from, SLACK * sizeof *a);
        else if (step == 1)
            for (size_t r = 0; r < lines; r++, a += taps, from += down)
                memcpy(a, from, taps * sizeof *a);
        else
            for (size_t r = 0; r < lines; r++, from += down)
                for (size_t t = 0; t < taps; t++, a++)
                    *a = from[t * step];
    }
}

/* ---- blocks of channels ---- */

static void copy_blocks(const infer_conv2d *c, const float *x, size_t place, float *a) {
    const size_t row = place / c->out[1] * c->stride[0], column = place % c->out[1] * c->stride[1];
    const size_t height = c->in[0], width = c->in[1], plane = height * width * INFER_BLOCK;
    const size_t lines = c->kernel[0], taps = c->kernel[1], count = c->channels;
    for (size_t ch = 0; ch < count; ch += INFER_BLOCK, x += plane) {
        const size_t n = count - ch < INFER_BLOCK ? count - ch : INFER_BLOCK;
        /* Before the image numbers wrap, and are past its end. */
        size_t i = row - c->before[0];
        for (size_t r = 0; r < lines; r++, i += c->dilation[0]) {
            size_t j = column - c->before[1];
            for (size_t t = 0; t < taps; t++, j += c->dilation[1], a += n) {
                if (i >= height || j >= width)
                    memset(a, 0, n * sizeof *a);
                else if (n == INFER_BLOCK)
                    memcpy(a, x + (i * width + j) * INFER_BLOCK, INFER_BLOCK * sizeof *a);
                else
                    memcpy(a, x + (i * width + j) * INFER_BLOCK, n * sizeof *a);
            }
        }
    }
}

/* ---- all of it ---- */

bool infer_conv_joins(const infer_conv2d *c) {
    return c->images > 1 && c->group == 1 && c->out[0] <= PLACES && c->out[1] <= PLACES &&
           c->out[0] * c->out[1] <= PLACES && row_of(c) <= FLOATS / PLACES &&
           padded(c, 0) <= FLOATS && padded(c, 1) <= FLOATS && padded_size(c) <= FLOATS;
}

size_t infer_conv_joined_scratch(const infer_conv2d *c) {
    return FLOATS / row_of(c) * row_of(c) + padded_size(c);
}

/* The inputs of the rows [row, row + rows) of the product. */
static void copy_rows(const joined_work *w, size_t row, size_t rows, float *a, float *image) {
    const infer_conv2d *c = w->c;
    const size_t places = c->out[0] * c->out[1];
    const float *x = w->env->in[0]->data;
    for (size_t i = row; i < row + rows; i++, a += depth_of(c)) {
        if (c->plain && (i == row || i % places == 0))
            pad_image(c, x + i / places * w->in, image);
        if (c->plain)
            copy_plain(c, image, i % places, a);
        else
            copy_blocks(c, x + i / places * w->in, i % places, a);
    }
}

/* One place's sums of so many panels. */
static void add_places(float *sum, const float *plus, size_t panels, size_t places) {
    for (size_t p = 0; plus && p < panels; p++, plus += places * INFER_BLOCK)
        for (size_t j = 0; j < INFER_BLOCK; j++)
            sum[p * INFER_BLOCK + j] += plus[j];
}

/* Each panel alone where it has slopes of its own. */
static void activate(const infer_kernels *kernels, const infer_activation *act, size_t panel,
                     size_t last, float *sum) {
    if (!act->slopes) {
        kernels->activate_f32(act, sum, sum, (last - panel) * INFER_BLOCK);
        return;
    }
    for (; panel < last; panel++, sum += INFER_BLOCK) {
        const infer_activation own = INFER_ACTIVATION_AT(*act, panel);
        kernels->activate_f32(&own, sum, sum, INFER_BLOCK);
    }
}

static void joined_part(void *arg, size_t number, size_t worker) {
    const joined_work *w = arg;
    const infer_conv2d *c = w->c;
    const size_t places = c->out[0] * c->out[1], depth = depth_of(c);
    const infer_view *add = infer_conv_addend(w->env);
    const float *weights = w->env->in[1]->data;
    const float *bias = w->env->in[2]->data, *plus = add ? add->data : NULL;
    float *y = w->env->out[0]->data;
    size_t row, end, panel, last;
    infer_part(w->rows, 1, w->by_row, number / w->by_panel, &row, &end);
    infer_part(panels_of(c), 2, w->by_panel, number % w->by_panel, &panel, &last);
    const size_t rows = end - row, width = (last - panel) * INFER_BLOCK;
    float *a = (float *)w->env->scratch + worker * infer_conv_joined_scratch(c);
    float *sums = a + rows * depth; /* what copies write behind the last row is overwritten */
    copy_rows(w, row, rows, a, a + FLOATS / row_of(c) * row_of(c));
    /* The bias comes last: small products are not rounded to the last digit of a large one. */
    const infer_kernels *kernels = w->env->kernels;
    kernels->gemm_packed_f32(rows, width, depth, a, depth, weights + panel * INFER_BLOCK * depth,
                             NULL, sums, width);
    for (size_t i = 0; i < rows; i++) {
        float *sum = sums + i * width;
        size_t at = (row + i) / places * w->out + (row + i) % places * INFER_BLOCK;
        at += panel * places * INFER_BLOCK;
        kernels->add_f32(sum, 1, bias + panel * INFER_BLOCK, 1, sum, width);
        if (!c->act.late)
            add_places(sum, plus ? plus + at : NULL, last - panel, places);
        activate(kernels, &c->act, panel, last, sum);
        if (c->act.late)
            add_places(sum, plus ? plus + at : NULL, last - panel, places);
        for (size_t p = 0; p < last - panel; p++)
            memcpy(y + at + p * places * INFER_BLOCK, sum + p * INFER_BLOCK,
                   INFER_BLOCK * sizeof *y);
    }
}

/* Rows are cut where they are more than scratch has, into no parts of a single one, whose sums have
 * another order; else panels are. */
void infer_conv_joined_run(infer_op_env *env, const infer_conv2d *c) {
    const size_t places = c->out[0] * c->out[1], panels = panels_of(c);
    joined_work w = {.c = c, .env = env, .rows = c->images * places, .by_panel = 1};
    const size_t most = FLOATS / row_of(c);
    double cost = (double)w.rows * (double)depth_of(c) * (double)c->outputs * INFER_PRODUCT_COST;
    size_t parts = infer_parts_worth(env, cost);
    w.in = (size_t)infer_view_count(env->in[0]) / c->images;
    w.out = panels * places * INFER_BLOCK;
    w.by_row = (w.rows + most - 1) / most;
    if (w.rows / parts >= PLACES)
        w.by_row = w.by_row < parts ? parts : w.by_row;
    else if (w.by_row == 1)
        w.by_panel = parts < (panels + 1) / 2 ? parts : (panels + 1) / 2;
    infer_parallel(env, w.by_row * w.by_panel, joined_part, &w);
}
