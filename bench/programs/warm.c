/*
 * One row, warm: infer_predict beside ONNX Runtime's C API and beside the limit, in turns in one
 * process: warm MODEL.onnx LIBONNXRUNTIME.so [ROUNDS]. Prints
 * "libinfer_ns onnxruntime_ns limit_ns largest_difference".
 *
 * The limit is what no implementation can avoid: one call through a pointer that reads the weights
 * and the row, in this machine's widest vectors.
 */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"
#include "infer.h"
#include "peer.h"

#include <math.h>

#define CALLS 2000
#define ROWS  64 /* rows vary, so that no peer answers from one warm line */

#if defined __AVX512F__
#define WIDTH 16
#elif defined __AVX__
#define WIDTH 8
#else
#define WIDTH 4
#endif

/* Rows start anywhere. */
typedef float lanes __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

static float *weights;

/* Adds up what lies at p in whole vectors, four at a time. */
static inline lanes sum(const float *p, size_t count) {
    lanes s = {0}, t = {0}, u = {0}, v = {0};
    size_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH) {
        s += *(const lanes *)(p + i);
        t += *(const lanes *)(p + i + WIDTH);
        u += *(const lanes *)(p + i + 2 * WIDTH);
        v += *(const lanes *)(p + i + 3 * WIDTH);
    }
    for (; i + WIDTH <= count; i += WIDTH)
        s += *(const lanes *)(p + i);
    return (s + t) + (u + v);
}

static infer_status read_only(infer_model *model, const float *x, size_t n, float *y, size_t m) {
    lanes all = sum(weights, n * m) + sum(x, n);
    (void)model;
    y[0] = all[0] + all[WIDTH - 1];
    return INFER_OK;
}

static void *aligned(size_t floats) {
    void *p = aligned_alloc(64, (floats + 31) / 16 * 64);
    if (!p) {
        perror("warm");
        exit(1);
    }
    memset(p, 0, (floats + 31) / 16 * 64);
    return p;
}

typedef infer_status predict_fn(infer_model *, const float *, size_t, float *, size_t);

static double time_calls(predict_fn *volatile f, infer_model *model, const float *rows, size_t n,
                         float *y, size_t m) {
    double start = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (f(model, rows + (size_t)(i % ROWS) * n, n, y, m) != INFER_OK) {
            fprintf(stderr, "libinfer: %s\n", infer_last_error());
            exit(1);
        }
    return (now_ns() - start) / CALLS;
}

static double time_peer(peer *p, const float *rows, float *y, size_t m) {
    double start = now_ns();
    for (int i = 0; i < CALLS; i++)
        peer_predict(p, rows + (size_t)(i % ROWS) * p->features, y, m);
    return (now_ns() - start) / CALLS;
}

int main(int argc, char **argv) {
    infer_model *model;
    if (argc < 3 || infer_load(argv[1], &model) != INFER_OK) {
        fprintf(stderr, "libinfer: %s\n", infer_last_error());
        return 1;
    }
    size_t rounds = argc > 3 ? (size_t)atoi(argv[3]) : 41;
    size_t n = infer_model_feature_count(model), m = infer_model_output_count(model);
    float *rows = aligned(ROWS * n), *y = aligned(m), *expected = aligned(m);
    weights = aligned(n * m);
    for (size_t i = 0; i < ROWS * n; i++)
        rows[i] = (float)((i * 2654435761u >> 8) % 2001) / 1000.0f - 1;

    infer_value_info in = {.struct_size = sizeof in}, out = {.struct_size = sizeof out};
    infer_model_input(model, 0, &in);
    infer_model_output(model, infer_model_outputs(model) - 1, &out);
    peer p;
    peer_start(&p, argv[2]);
    peer_open(&p, argv[1]);
    peer_bind(&p, in.name, out.name, n);

    double *ours = calloc(rounds, sizeof *ours), *theirs = calloc(rounds, sizeof *theirs);
    double *limit = calloc(rounds, sizeof *limit), worst = 0;
    for (size_t r = 0; r < rounds; r++) {
        ours[r] = time_calls(infer_predict, model, rows, n, y, m);
        theirs[r] = time_peer(&p, rows, y, m);
        limit[r] = time_calls(read_only, model, rows, n, y, m);
    }
    for (size_t i = 0; i < ROWS; i++) {
        infer_predict(model, rows + i * n, n, y, m);
        peer_predict(&p, rows + i * n, expected, m);
        for (size_t j = 0; j < m; j++)
            worst = fmax(worst, fabs((double)expected[j] - (double)y[j]));
    }
    printf("%.2f %.2f %.2f %.3g\n", median(ours, rounds), median(theirs, rounds),
           median(limit, rounds), worst);
    return 0;
}
