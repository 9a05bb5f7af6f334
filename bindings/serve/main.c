/* infer-serve: a model behind the default handler. */
#include "serve.h"

int main(int argc, char **argv) {
    return infer_serve_main(argc, argv, (infer_serve_handler){0});
}
