/* Choosing the loader for some bytes. */
#include "load.h"

#include "status.h"

static const infer_loader *const loaders[] = {&infer_loader_onnx, &infer_loader_json};

infer_status infer_load_source(infer_source *source, infer_loaded *loaded) {
    const infer_loader *best = NULL;
    int surest = 0;
    *loaded = (infer_loaded){0};
    for (size_t i = 0; i < sizeof loaders / sizeof *loaders; i++) {
        int sure = loaders[i]->probe(source->data, source->size, source->path);
        if (sure > surest) {
            best = loaders[i];
            surest = sure;
        }
    }
    if (!best)
        return infer_fail(INFER_ERROR_FORMAT,
                          "not a model: neither a prepared image nor ONNX nor the JSON form");
    INFER_TRY(best->load(source, loaded));
    infer_status status = infer_graph_metadata(loaded->graph, "format", best->name);
    if (status != INFER_OK)
        loaded->close(loaded);
    return status;
}
