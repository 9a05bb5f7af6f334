/* Everything that graph models need, and the options that bring it. */
#include "preprocess.h"

static const infer_serve_engine engine = {
    .load = infer_load_with,
    .context_new = infer_context_new,
    .context_free = infer_context_free,
    .run = infer_run,
    .observe = infer_context_observe,
    .predict = infer_context_predict_f64,
    .preprocess_open = infer_serve_preprocess_open,
    .predict_image = infer_serve_predict_image,
    .decode = infer_serve_decode,
};

void infer_serve_options_init(infer_serve_options *options) {
    infer_serve_options_init_linear(options);
    options->engine = &engine;
}
