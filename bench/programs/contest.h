/* What the runtimes of a contest have in common: the inputs they are fed, and how they are called.
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include <stddef.h>
#include <stdint.h>

#define CONTEST_RANK    8  /* most extents of a tensor */
#define CONTEST_TENSORS 64 /* most inputs or outputs of a model */

/* An input. Types are numbered as ONNX numbers them. */
typedef struct tensor {
    const char *name;
    int type, rank;
    int64_t shape[CONTEST_RANK];
    size_t count, size; /* elements, bytes */
    void *data;
} tensor;

/* All inputs of one run. */
typedef struct feed {
    tensor *inputs;
    size_t count;
} feed;

typedef struct feeds {
    feed *items;
    size_t count;
} feeds;

/* An output of the last run; data is NULL where it is no tensor. */
typedef struct answer {
    const void *data;
    int type;
    size_t count;
} answer;

/* A runtime; state is its own. Whatever fails says why in contest_error and returns NULL or 0. */
typedef struct runtime {
    const char *name;
    void *(*start)(const char *library); /* opens the library and what it needs once a process */
    /* Loads a model and prepares every feed, so that a run only computes. *threads says how many
     * may work and becomes how many do. */
    int (*open)(void *state, const char *model, int *threads, const feeds *all);
    int (*run)(void *state, size_t number);
    size_t (*answers)(void *state, answer *into); /* valid until the next run */
    size_t (*held)(void *state); /* bytes that a run needed beside the model; NULL: nobody knows */
} runtime;

extern const runtime contest_infer, contest_onnxruntime, contest_openvino, contest_lightgbm,
    contest_compiled;

extern char contest_error[1024];

/* Sets contest_error; returns 0. */
int contest_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* dlopen and dlsym; NULL after contest_fail. */
void *contest_library(const char *path);
void *contest_symbol(void *handle, const char *name);

/* calloc that ends the program where there is no memory. */
void *contest_new(size_t count, size_t size);

/* Bytes of one element of an ONNX type; 0 for types that are not fed. */
size_t contest_type_size(int type);

/* Reads a file that bench/contest.py wrote; at most `most` feeds of it. Ends the program where it
 * cannot. */
feeds contest_read_feeds(const char *path, size_t most);

/* Reads the symbols that a list X(name) tells into fields of the same names. */
#define CONTEST_FIELD(f) __typeof__(f) *f;
#define CONTEST_READ(f)                                                                            \
    if (!(symbol = contest_symbol(handle, #f)))                                                    \
        return 0;                                                                                  \
    memcpy(&into->f, &symbol, sizeof symbol);

#endif
