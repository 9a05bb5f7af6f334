/* Many threads on one model: infer_predict and contexts of their own (run under TSan as well). */
#include "infer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "models.h"

#define THREADS 8
#define RUNS    300

typedef struct job {
    infer_model *model;
    int failures;
} job;

static void *work(void *argument) {
    job *j = argument;
    float x[3] = {1, 2, 3}, first[3], y[3];
    size_t n = infer_model_output_count(j->model);
    int64_t shape[2] = {1, 3};
    infer_value in = {.type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = x, .count = 3};
    infer_context *c;
    j->failures += infer_predict(j->model, x, 3, first, n) != INFER_OK;
    if (infer_context_new(j->model, &c) != INFER_OK) {
        j->failures++;
        return NULL;
    }
    for (int i = 0; i < RUNS; i++) {
        infer_value out[2] = {0};
        j->failures += infer_predict(j->model, x, 3, y, n) != INFER_OK;
        j->failures += memcmp(first, y, n * sizeof *y) != 0;
        j->failures += infer_run(c, NULL, &in, 1, NULL, out, infer_model_outputs(j->model)) != 0;
        j->failures += infer_load("/no/such/file", &(infer_model *){0}) != INFER_ERROR_IO;
        j->failures += strstr(infer_last_error(), "/no/such/file") == NULL;
    }
    infer_context_free(c);
    return NULL;
}

static void one_model_many_threads(void **state) {
    (void)state;
    for (int kind = 0; kind < MODEL_KINDS; kind++) {
        infer_model *m = make_model(kind);
        pthread_t threads[THREADS];
        job jobs[THREADS];
        for (int i = 0; i < THREADS; i++) {
            jobs[i] = (job){m, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(jobs[i].failures, 0);
        }
        infer_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_model_many_threads)};
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
