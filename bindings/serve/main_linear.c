/* infer-serve-linear: a prepared linear model behind the default handler, in a smaller program. */
#include "serve.h"

int main(int argc, char **argv) {
    return infer_serve_main_linear(argc, argv, (infer_serve_handler){0});
}
