/* Everything that graph models need, and the options that bring it. */
#include "core.h"

static const infer_serve_engine engine = {
    .load = infer_load_with,
    .context_new = infer_context_new,
    .context_free = infer_context_free,
    .run = infer_run,
    .observe = infer_context_observe,
};

void infer_serve_options_init(infer_serve_options *options) {
    infer_serve_options_init_linear(options);
    options->engine = &engine;
}
