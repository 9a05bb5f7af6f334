/* What `infer bench` and its profile share: a model with inputs made up for it. */
#ifndef INFER_CLI_BENCH_H
#define INFER_CLI_BENCH_H

#include "cli.h"
#include "json_io.h"

/* One thing to time: infer_predict where the model takes numbers, else infer_run. */
typedef struct infer_cli_subject {
    infer_model *model;
    infer_context *context; /* NULL: infer_predict */
    float *features, *results;
    size_t feature_count, output_count;
    infer_value *inputs;
    size_t input_count;
    infer_value outputs[1];
    infer_cli_pool pool;
    uint64_t random;
} infer_cli_subject;

uint64_t infer_cli_now(void); /* nanoseconds */

/* One prediction on other numbers than before, with what it took. */
infer_status infer_cli_once(infer_cli_subject *s, uint64_t *took);

/* Sorts times; the median. */
uint64_t infer_cli_sort(uint64_t *samples, size_t n);

/* ---- peaks.c ---- */

#define INFER_CLI_SIZES 4

/* Bytes, from what the first cache holds to what none does. */
extern const size_t infer_cli_sizes[INFER_CLI_SIZES];

/* What one processor does at best in a nanosecond: multiply-adds of floats in registers, and bytes
 * that it reads of so many, again and again. Zeros where that is not known. */
typedef struct infer_cli_peaks {
    double fma, read[INFER_CLI_SIZES];
} infer_cli_peaks;

infer_cli_peaks infer_cli_measure_peaks(void);

/* ---- profile.c ---- */

/* A node in a profile: medians of its runs, and when and how long it ran in the last one. */
typedef struct infer_cli_profiled {
    const char *name, *domain, *op;
    double ns, bytes, operations;
    double share; /* of what the machine does at best; 0 where nothing is computed or moved */
    uint64_t start, took;
} infer_cli_profiled;

typedef struct infer_cli_profile {
    const char *model;
    size_t count, runs;
    infer_cli_profiled *nodes;
    double total; /* of the nodes' medians */
    uint32_t threads;
    infer_cli_peaks peaks;
} infer_cli_profile;

/* Runs the subject's context `runs` times and prints what each node took, or one JSON object;
 * writes a trace and a page where their files are given. */
int infer_cli_profile_run(infer_cli_subject *s, const char *model, size_t runs, uint32_t threads,
                          bool json, const char *trace, const char *page);

/* ---- profile_page.c ---- */

/* As events of Chrome's tracing (chrome://tracing, ui.perfetto.dev), and as a page with a bar a
 * node. */
int infer_cli_write_trace(const infer_cli_profile *p, const char *path);
int infer_cli_write_page(const infer_cli_profile *p, const char *path);

#endif
