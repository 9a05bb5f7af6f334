/* Choosing the loader for some bytes. */
#include "load.h"

#include "status.h"

static const infer_loader *const loaders[] = {&infer_loader_onnx, &infer_loader_json};

static infer_status choose(const infer_source *source, const infer_loader **best) {
    int surest = 0;
    *best = NULL;
    for (size_t i = 0; i < sizeof loaders / sizeof *loaders; i++) {
        int sure = loaders[i]->probe(source->data, source->size, source->path);
        if (sure > surest) {
            *best = loaders[i];
            surest = sure;
        }
    }
    return *best ? INFER_OK
                 : infer_fail(INFER_ERROR_FORMAT,
                              "not a model: neither a prepared image nor ONNX nor the JSON form");
}

infer_status infer_load_source(infer_source *source, infer_loaded *loaded) {
    const infer_loader *best;
    *loaded = (infer_loaded){0};
    INFER_TRY(choose(source, &best));
    INFER_TRY(best->load(source, loaded));
    infer_status status = infer_graph_metadata(loaded->graph, "format", best->name);
    if (status != INFER_OK)
        loaded->close(loaded);
    return status;
}

infer_status infer_load_missing(infer_source *source, infer_missing_operator *found, void *user) {
    const infer_loader *best;
    INFER_TRY(choose(source, &best));
    return best->missing ? best->missing(source, found, user) : INFER_OK;
}
