/* ONNX Runtime in a contest, through its C API as its documentation uses it: input tensors over
 * memory that stays, new outputs at each run. */
#include "contest.h"

#include <onnxruntime_c_api.h>
#include <string.h>

typedef struct state {
    const OrtApi *api;
    OrtEnv *environment;
    OrtSession *session;
    const feeds *all;
    const char **input_names, *output_names[CONTEST_TENSORS];
    OrtValue **inputs, *outputs[CONTEST_TENSORS];
    size_t output_count;
} state;

static int ok(const state *s, OrtStatus *status) {
    return status ? contest_fail("%s", s->api->GetErrorMessage(status)) : 1;
}

static void *start(const char *library) {
    void *handle = contest_library(library),
         *symbol = handle ? contest_symbol(handle, "OrtGetApiBase") : NULL;
    const OrtApiBase *(*base)(void);
    if (!symbol)
        return NULL;
    memcpy(&base, &symbol, sizeof base);
    state *s = contest_new(1, sizeof *s);
    s->api = base()->GetApi(ORT_API_VERSION);
    return s->api && ok(s, s->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "contest", &s->environment))
               ? s
               : NULL;
}

/* The tensors of every feed. */
static int bind(state *s) {
    OrtMemoryInfo *memory;
    size_t count = s->all->items[0].count;
    if (!ok(s, s->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory)))
        return 0;
    s->input_names = contest_new(count, sizeof *s->input_names);
    s->inputs = contest_new(count * s->all->count, sizeof *s->inputs);
    for (size_t i = 0; i < s->all->count; i++)
        for (size_t j = 0; j < count; j++) {
            tensor *t = &s->all->items[i].inputs[j];
            s->input_names[j] = t->name;
            if (!ok(s, s->api->CreateTensorWithDataAsOrtValue(
                           memory, t->data, t->size, t->shape, (size_t)t->rank,
                           (ONNXTensorElementDataType)t->type, &s->inputs[i * count + j])))
                return 0;
        }
    return 1;
}

static int open_model(void *of, const char *model, int *threads, const feeds *all) {
    state *s = of;
    OrtSessionOptions *options;
    OrtAllocator *allocator;
    s->all = all;
    if (!ok(s, s->api->CreateSessionOptions(&options)) ||
        !ok(s, s->api->SetIntraOpNumThreads(options, *threads)) ||
        /* Threads that spin after a run would take the next runtime's time. */
        !ok(s, s->api->AddSessionConfigEntry(options, "session.force_spinning_stop", "1")) ||
        !ok(s, s->api->CreateSession(s->environment, model, options, &s->session)) ||
        !ok(s, s->api->GetAllocatorWithDefaultOptions(&allocator)) ||
        !ok(s, s->api->SessionGetOutputCount(s->session, &s->output_count)))
        return 0;
    s->api->ReleaseSessionOptions(options);
    if (s->output_count > CONTEST_TENSORS)
        return contest_fail("%zu outputs", s->output_count);
    for (size_t i = 0; i < s->output_count; i++)
        if (!ok(s, s->api->SessionGetOutputName(s->session, i, allocator,
                                                (char **)&s->output_names[i])))
            return 0;
    return bind(s);
}

static int run(void *of, size_t number) {
    state *s = of;
    size_t count = s->all->items[number].count;
    for (size_t i = 0; i < s->output_count; i++)
        if (s->outputs[i]) {
            s->api->ReleaseValue(s->outputs[i]);
            s->outputs[i] = NULL;
        }
    return ok(s, s->api->Run(s->session, NULL, s->input_names,
                             (const OrtValue *const *)s->inputs + number * count, count,
                             s->output_names, s->output_count, s->outputs));
}

static size_t answers(void *of, answer *into) {
    state *s = of;
    for (size_t i = 0; i < s->output_count; i++) {
        OrtTensorTypeAndShapeInfo *info;
        ONNXTensorElementDataType type;
        void *data;
        int tensor;
        into[i] = (answer){NULL, 0, 0};
        if (!ok(s, s->api->IsTensor(s->outputs[i], &tensor)) || !tensor ||
            !ok(s, s->api->GetTensorTypeAndShape(s->outputs[i], &info)))
            continue;
        if (ok(s, s->api->GetTensorElementType(info, &type)) &&
            ok(s, s->api->GetTensorShapeElementCount(info, &into[i].count)) &&
            type != ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING &&
            ok(s, s->api->GetTensorMutableData(s->outputs[i], &data))) {
            into[i].data = data;
            into[i].type = (int)type;
        }
        s->api->ReleaseTensorTypeAndShapeInfo(info);
    }
    return s->output_count;
}

const runtime contest_onnxruntime = {"onnxruntime", start, open_model, run, answers, NULL};
