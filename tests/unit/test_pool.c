/* Pools of threads: parts, runs at once, forks, quotas, and the same answers as without (run under
 * TSan as well). */
#define _POSIX_C_SOURCE 200809L
#include "engine.h"
#include "infer.h"
#include "processors.h"
#include "share.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing.h"
#include "onnx_models.h"

/* ---- parts ---- */

#define PARTS 1000

typedef struct tally {
    unsigned char done[PARTS];
    size_t workers; /* below this */
    _Atomic int wrong;
} tally;

static void mark(void *arg, size_t part, size_t worker) {
    tally *t = arg;
    t->done[part]++;
    if (worker >= t->workers)
        t->wrong++;
}

static void run_tally(infer_pool *pool, size_t parts) {
    tally t = {.workers = infer_pool_threads(pool)};
    infer_pool_run(pool, parts, parts, mark, &t);
    for (size_t i = 0; i < PARTS; i++)
        assert_int_equal(t.done[i], i < parts);
    assert_int_equal(t.wrong, 0);
}

static void parts_run_once(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads < 6; threads++) {
        infer_pool *pool;
        assert_int_equal(infer_pool_new(threads, NULL, &pool), INFER_OK);
        assert_int_equal(infer_pool_threads(pool), threads);
        for (size_t i = 0; i < 300; i++) {
            if (i % 10 == 0)
                infer_pool_begin(pool);
            run_tally(pool, i * i % (PARTS + 1));
            if (i % 10 == 9) /* asleep in between */
                infer_pool_end(pool);
        }
        infer_pool_free(pool);
    }
    infer_pool_free(NULL);
    assert_int_equal(infer_pool_threads(NULL), 1);
}

/* Some parts take so long that callers and threads fall asleep waiting for each other. */
static void dawdle(void *arg, size_t part, size_t worker) {
    mark(arg, part, worker);
    if (part % 3 == 0)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void waiting_ends(void **state) {
    (void)state;
    infer_pool *pool;
    assert_int_equal(infer_pool_new(3, NULL, &pool), INFER_OK);
    for (size_t i = 1; i < 20; i++) {
        tally t = {.workers = 3};
        infer_pool_begin(pool);
        infer_pool_run(pool, i, i, dawdle, &t);
        infer_pool_end(pool);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(t.done[j], 1);
    }
    infer_pool_free(pool);
}

/* Parts that another than the caller did. */
typedef struct helped {
    _Atomic size_t parts;
} helped;

static void dwell(void *arg, size_t part, size_t worker) {
    helped *h = arg;
    (void)part;
    h->parts += worker != 0;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* A thread that sleeps is woken by a run that is worth parts enough, not by its first few: in one
 * of some tries, as a busy machine may be late to let it sleep or wake. */
static void few_parts_wake_nobody(void **state) {
    (void)state;
    infer_pool *pool;
    size_t alone = 0, woken = 0;
    assert_int_equal(infer_pool_new(2, NULL, &pool), INFER_OK);
    for (size_t i = 0; i < 10 && !(alone && woken); i++) {
        helped few = {0}, many = {0};
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        infer_pool_begin(pool);
        infer_pool_run(pool, 2, 2, dwell, &few);
        infer_pool_run(pool, 2, 2, dwell, &few);
        infer_pool_run(pool, 2, 20, dwell, &many);
        infer_pool_end(pool);
        alone += few.parts == 0;
        woken += many.parts > 0;
    }
    assert_true(alone && woken);
    infer_pool_free(pool);
}

static void *use_pool(void *pool) {
    for (size_t i = 0; i < 200; i++) {
        infer_pool_begin(pool);
        run_tally(pool, 1 + i);
        infer_pool_end(pool);
    }
    return NULL;
}

static void callers_share_a_pool(void **state) {
    (void)state;
    infer_pool *pool;
    pthread_t threads[3];
    assert_int_equal(infer_pool_new(2, NULL, &pool), INFER_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_pool, pool), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    infer_pool_free(pool);
}

static void threads_block_signals(void **state) {
    (void)state;
    sigset_t before, after;
    infer_pool *pool;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(infer_pool_new(4, NULL, &pool), INFER_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++)
        assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    infer_pool_free(pool);
}

/* ---- forks ---- */

/* TSan ends children that start threads unless it is told not to. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "die_after_fork=0";
}

static int child(infer_pool *pool) {
    tally t = {.workers = 3};
    infer_pool_begin(pool);
    infer_pool_run(pool, PARTS, PARTS, mark, &t);
    infer_pool_end(pool);
    for (size_t i = 0; i < PARTS; i++)
        if (t.done[i] != 1)
            return 1;
    infer_pool_free(pool);
    return t.wrong != 0;
}

static void child_has_threads_of_its_own(void **state) {
    (void)state;
    infer_pool *pool;
    assert_int_equal(infer_pool_new(3, NULL, &pool), INFER_OK);
    run_tally(pool, PARTS);
    for (int freed = 0; freed < 2; freed++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            if (!freed)
                _exit(child(pool));
            infer_pool_free(pool); /* unused in this process */
            _exit(0);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    run_tally(pool, PARTS);
    infer_pool_free(pool);
}

/* ---- runs ---- */

#define ROWS 100

/* The scores of so many rows of the classifier. */
static void run_rows(infer_context *context, int64_t rows, float *scores) {
    static float x[ROWS * 4];
    int64_t shape[] = {rows, 4};
    infer_value in = {.type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = x};
    infer_value out[8] = {0};
    in.count = (size_t)rows * 4;
    for (size_t i = 0; i < in.count; i++)
        x[i] = (float)(i % 17) - 8;
    size_t count = infer_model_outputs(context->model);
    assert_true(count <= 8 && count > 0);
    assert_int_equal(infer_run(context, NULL, &in, 1, NULL, out, count), INFER_OK);
    if (scores)
        memcpy(scores, out[count - 1].data, out[count - 1].count * sizeof *scores);
}

static void answers_are_the_same(void **state) {
    (void)state;
    float one[ROWS * 3], many[ROWS * 3];
    infer_model *model = onnx_sample(onnx_classifier);
    infer_context *context;
    infer_pool *pool;
    assert_int_equal(infer_context_new(model, &context), INFER_OK);
    run_rows(context, ROWS, one);
    infer_context_free(context);
    for (uint32_t threads = 1; threads < 5; threads++) {
        assert_int_equal(infer_pool_new(threads, NULL, &pool), INFER_OK);
        for (int i = 0; i < 2; i++) { /* one after the other */
            assert_int_equal(infer_context_new(model, &context), INFER_OK);
            assert_int_equal(infer_context_set_pool(context, pool), INFER_OK);
            context->part_cost = 1e-3f;
            memset(many, 0, sizeof many);
            for (int run = 0; run < 50; run++)
                run_rows(context, ROWS, many);
            assert_memory_equal(one, many, sizeof one);
            infer_context_free(context);
        }
        infer_pool_free(pool);
    }
    infer_free(model);
}

static void contexts_have_threads(void **state) {
    (void)state;
    size_t size, one, three;
    int exact;
    void *bytes = onnx_classifier(&size);
    infer_options options;
    infer_model *model;
    infer_context *context;
    infer_options_init(&options);
    options.threads = 3;
    assert_int_equal(infer_load_memory_with(bytes, size, INFER_COPY, &options, &model), INFER_OK);
    assert_int_equal(infer_context_new(model, &context), INFER_OK);
    assert_int_equal(infer_pool_threads(context->pool), 3);
    run_rows(context, 5, NULL);
    infer_context_free(context);
    assert_int_equal(infer_context_new(model, &context), INFER_OK);
    assert_int_equal(infer_context_set_pool(context, NULL), INFER_OK); /* gives its own back */
    run_rows(context, 5, NULL);
    infer_context_free(context);
    assert_int_equal(infer_model_memory(model, &three, &exact), INFER_OK);
    infer_free(model);
    options.threads = INFER_THREADS_ALL;
    assert_int_equal(infer_load_memory_with(bytes, size, INFER_COPY, &options, &model), INFER_OK);
    assert_int_equal(infer_context_new(model, &context), INFER_OK);
    assert_int_equal(infer_context_threads(context), infer_processors());
    infer_context_free(context);
    infer_free(model);
    options.threads = 1;
    assert_int_equal(infer_load_memory_with(bytes, size, INFER_COPY, &options, &model), INFER_OK);
    assert_int_equal(infer_model_memory(model, &one, &exact), INFER_OK);
    assert_true(one <= three);
    infer_free(model);
    free(bytes);
}

/* ---- refusals ---- */

static void wrong_arguments(void **state) {
    (void)state;
    infer_pool *pool;
    infer_model *model;
    infer_context *context;
    infer_options options;
    infer_allocator lacks = {0};
    assert_int_equal(infer_pool_new(2, NULL, NULL), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_pool_new(2, &lacks, &pool), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_pool_new(1025, NULL, &pool), INFER_ERROR_ARGUMENT);
    assert_null(pool);
    assert_int_equal(infer_context_set_pool(NULL, NULL), INFER_ERROR_ARGUMENT);
    infer_options_init(&options);
    options.threads = 2000;
    assert_int_equal(infer_load_with("/none", &options, &model), INFER_ERROR_ARGUMENT);

    assert_int_equal(infer_pool_new(2, NULL, &pool), INFER_OK);
    model = onnx_sample(onnx_classifier);
    assert_int_equal(infer_context_new(model, &context), INFER_OK);
    assert_int_equal(infer_context_set_pool(context, pool), INFER_OK);
    run_rows(context, 1, NULL);
    assert_int_equal(infer_context_set_pool(context, NULL), INFER_ERROR_STATE);
    infer_context_free(context);
    infer_free(model);
    infer_pool_free(pool);
}

static void memory_fails(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        failing f = {.fails_at = n};
        infer_allocator allocator = {failing_alloc, failing_free, &f};
        infer_pool *pool;
        infer_status status = infer_pool_new(3, &allocator, &pool);
        infer_pool_free(pool);
        assert_int_equal(f.out, 0);
        if (status == INFER_OK)
            break;
        assert_int_equal(status, INFER_ERROR_MEMORY);
        assert_null(pool);
    }
}

/* ---- quotas ---- */

static char folder[] = "/tmp/infer-pool-XXXXXX";

static void write_text(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = path + sizeof folder; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static uint32_t within(const char *groups, uint32_t count) {
    char path[256];
    write_text("groups", groups);
    snprintf(path, sizeof path, "%s/groups", folder);
    return infer_processors_within(count, path, folder);
}

static void quotas_bound_threads(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(infer_processors_within(8, "/no/such/file", folder), 8);
    assert_int_equal(within("0::/\n", 8), 8);
    write_text("cpu.max", "max 100000\n");
    assert_int_equal(within("0::/\n", 8), 8);
    write_text("a/b/cpu.max", "150000 100000\n");
    assert_int_equal(within("0::/a/b\n", 8), 2);
    assert_int_equal(within("0::/a\n", 8), 8);
    write_text("a/cpu.max", "50000 100000\n");
    assert_int_equal(within("0::/a/b\n", 8), 1);
    write_text("cpu.max", "300000 100000\n");
    assert_int_equal(within("0::/\n", 8), 3);
    assert_int_equal(within("0::/elsewhere/deep\n", 2), 2);
    write_text("cpu.max", "nonsense\n");
    assert_int_equal(within("0::/\n", 8), 8);
    /* Version 1. */
    write_text("cpu/c/cpu.cfs_quota_us", "-1\n");
    write_text("cpu/c/cpu.cfs_period_us", "100000\n");
    assert_int_equal(within("4:memory:/c\n3:cpuacct,cpu:/c\n", 8), 8);
    write_text("cpu/c/cpu.cfs_quota_us", "410000\n");
    assert_int_equal(within("4:memory:/c\n3:cpuacct,cpu:/c\n", 8), 5);
    assert_int_equal(within("4:memory:/c\n3:cpuset:/c\n", 8), 8);
    assert_true(infer_processors() >= 1);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_run_once),        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(few_parts_wake_nobody), cmocka_unit_test(callers_share_a_pool),
        cmocka_unit_test(threads_block_signals), cmocka_unit_test(child_has_threads_of_its_own),
        cmocka_unit_test(answers_are_the_same),  cmocka_unit_test(contexts_have_threads),
        cmocka_unit_test(wrong_arguments),       cmocka_unit_test(memory_fails),
        cmocka_unit_test(quotas_bound_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
