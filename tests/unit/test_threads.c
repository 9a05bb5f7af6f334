/* Many threads on one model: infer_predict, contexts of their own, and errors of their own (run
 * under TSan as well). */
#define _POSIX_C_SOURCE 200809L
#include "infer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "models.h"
#include "onnx_models.h"

#define THREADS 4
#define RUNS    300
#define WIDTH   4 /* most features a row, and most scores */

typedef struct job {
    infer_model *model;
    pthread_barrier_t *start; /* so that all find the model untouched */
    int number, failures;
    size_t columns, scores, outputs;
    float answer[WIDTH];
} job;

/* A row of this thread's own. */
static void fill(const job *j, int run, float *x) {
    for (int i = 0; i < WIDTH; i++)
        x[i] = (float)(j->number + 1) * (float)(i - 1) + (float)(run % 2);
}

static int own_error(const job *j, infer_context *c) {
    char name[32];
    infer_value v;
    snprintf(name, sizeof name, "of thread %d", j->number);
    return infer_output(c, name, &v) != INFER_ERROR_ARGUMENT ||
           strstr(infer_last_error(), name) == NULL;
}

static void run_once(job *j, infer_context *c, int run) {
    float x[2 * WIDTH], y[2 * WIDTH], scores[WIDTH];
    int64_t shape[2] = {1 + run % 3 / 2, (int64_t)j->columns};
    size_t rows = (size_t)shape[0];
    infer_value in = {.type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = x};
    infer_value out[3];
    memset(out, 0, sizeof out);
    in.count = rows * j->columns;
    fill(j, run, x);
    memcpy(x + j->columns, x, j->columns * sizeof *x);
    j->failures += infer_predict(j->model, x, j->columns, scores, j->scores) != INFER_OK;
    j->failures += infer_predict(j->model, x, rows * j->columns, y, rows * j->scores) != INFER_OK;
    j->failures += infer_run(c, NULL, &in, 1, NULL, out, j->outputs) != INFER_OK;
    j->failures += own_error(j, c);
    /* The last row of several is the row alone; and every second run is the first one again. */
    j->failures += memcmp(scores, y + (rows - 1) * j->scores, j->scores * sizeof *y) != 0;
    if (run == 0)
        memcpy(j->answer, scores, sizeof scores);
    else if (run % 2 == 0)
        j->failures += memcmp(j->answer, scores, j->scores * sizeof *y) != 0;
    const infer_value *last = &out[j->outputs - 1];
    if (last->kind == INFER_KIND_TENSOR && last->type == INFER_TYPE_FLOAT)
        j->failures += memcmp(last->data, y, rows * j->scores * sizeof *y) != 0;
    j->failures += infer_load("/no/such/file", &(infer_model *){0}) != INFER_ERROR_IO;
    j->failures += strstr(infer_last_error(), "/no/such/file") == NULL;
}

static void *work(void *argument) {
    job *j = argument;
    infer_context *c;
    size_t bytes;
    int exact;
    pthread_barrier_wait(j->start);
    if (infer_last_error()[0] || infer_context_new(j->model, &c) != INFER_OK) {
        j->failures++;
        return NULL;
    }
    for (int i = 0; i < RUNS; i++)
        run_once(j, c, i);
    j->failures += infer_model_memory(j->model, &bytes, &exact) != INFER_OK;
    infer_context_free(c);
    return NULL;
}

/* columns and scores: of one row; of ZipMaps the model does not tell. */
static void share(infer_model *m, size_t columns, size_t scores) {
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    job jobs[THREADS];
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){m, &start, i, 0, columns, scores, infer_model_outputs(m), {0}};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].failures, 0);
    }
    pthread_barrier_destroy(&start);
    infer_free(m);
}

static void linear_models(void **state) {
    (void)state;
    for (int kind = 0; kind < MODEL_KINDS; kind++) {
        infer_model *m = make_model(kind);
        share(m, 3, infer_model_output_count(m));
    }
    share(onnx_sample(onnx_linear), 3, 2);
}

static void graph_models(void **state) {
    (void)state;
    share(onnx_sample(onnx_classifier), 4, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_models),
        cmocka_unit_test(graph_models),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
