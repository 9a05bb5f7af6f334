/* ONNX Runtime through its C API, as its documentation uses it: one thread, one row, one input, one
 * output. Ends the program with its message where it fails. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct peer {
    const OrtApi *api;
    OrtEnv *environment;
    OrtSessionOptions *options;
    OrtSession *session;
    OrtValue *input;
    float *row; /* features values, the memory of input */
    size_t features;
    const char *input_name, *output_name;
} peer;

static inline void peer_check(const peer *p, OrtStatus *status) {
    if (!status)
        return;
    fprintf(stderr, "onnxruntime: %s\n", p->api->GetErrorMessage(status));
    exit(1);
}

/* The library and its environment. */
static inline void peer_start(peer *p, const char *library) {
    void *handle = dlopen(library, RTLD_NOW);
    const OrtApiBase *(*base)(void) = NULL;
    void *symbol = handle ? dlsym(handle, "OrtGetApiBase") : NULL;
    memcpy(&base, &symbol, sizeof base);
    *p = (peer){.api = base ? base()->GetApi(ORT_API_VERSION) : NULL};
    if (!p->api) {
        fprintf(stderr, "onnxruntime: %s\n", handle ? "no such API version" : dlerror());
        exit(1);
    }
    peer_check(p, p->api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &p->environment));
    peer_check(p, p->api->CreateSessionOptions(&p->options));
    peer_check(p, p->api->SetIntraOpNumThreads(p->options, 1));
}

static inline void peer_open(peer *p, const char *model) {
    peer_check(p, p->api->CreateSession(p->environment, model, p->options, &p->session));
}

static inline void peer_close(peer *p) {
    p->api->ReleaseSession(p->session);
    p->session = NULL;
}

/* The tensor that every run reads, over memory that the caller fills. */
static inline void peer_bind(peer *p, const char *input, const char *output, size_t features) {
    OrtMemoryInfo *memory;
    const int64_t shape[] = {1, (int64_t)features};
    p->input_name = input;
    p->output_name = output;
    p->features = features;
    p->row = calloc(features, sizeof *p->row);
    peer_check(p, p->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    peer_check(p, p->api->CreateTensorWithDataAsOrtValue(
                      memory, p->row, features * sizeof *p->row, shape, 2,
                      ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &p->input));
}

/* One row to its answer: what infer_predict does. */
static inline void peer_predict(peer *p, const float *row, float *outputs, size_t count) {
    OrtValue *result = NULL;
    float *answer;
    memcpy(p->row, row, p->features * sizeof *row);
    peer_check(p, p->api->Run(p->session, NULL, &p->input_name, (const OrtValue *const *)&p->input,
                              1, &p->output_name, 1, &result));
    peer_check(p, p->api->GetTensorMutableData(result, (void **)&answer));
    memcpy(outputs, answer, count * sizeof *outputs);
    p->api->ReleaseValue(result);
}

#endif
