/* Time to load an ONNX model, in turns in one process: load MODEL.onnx MODEL.infer
 * LIBONNXRUNTIME.so ROUNDS. Prints "infer_load_ns infer_open_ns CreateSession_ns"; each with its
 * release. ONNX Runtime's library and environment are there before the first round. */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"
#include "infer.h"
#include "peer.h"

static double time_ours(infer_status (*open)(const char *, infer_model **), const char *path) {
    infer_model *model;
    double start = now_ns();
    if (open(path, &model) != INFER_OK) {
        fprintf(stderr, "libinfer: %s\n", infer_last_error());
        exit(1);
    }
    infer_free(model);
    return now_ns() - start;
}

int main(int argc, char **argv) {
    size_t rounds = argc == 5 ? (size_t)atoi(argv[4]) : 0;
    if (!rounds)
        return 2;
    double *times = calloc(3 * rounds, sizeof *times);
    peer p;
    peer_start(&p, argv[3]);
    for (size_t r = 0; r < rounds; r++) {
        times[r] = time_ours(infer_load, argv[1]);
        times[rounds + r] = time_ours(infer_open, argv[2]);
        double start = now_ns();
        peer_open(&p, argv[1]);
        peer_close(&p);
        times[2 * rounds + r] = now_ns() - start;
    }
    for (size_t i = 0; i < 3; i++)
        printf("%.0f%c", median(times + i * rounds, rounds), i < 2 ? ' ' : '\n');
    return 0;
}
