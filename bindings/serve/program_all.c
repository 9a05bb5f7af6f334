/* The program for every model. */
#include "platform.h"

int infer_serve_main(int argc, char **argv, infer_serve_handler handler) {
    infer_serve_options options;
    infer_serve_options_init(&options);
    options.handler = handler;
    return infer_serve_program(argc, argv, &options);
}
