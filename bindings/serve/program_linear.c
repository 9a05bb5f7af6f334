/* The program for prepared linear models. */
#include "platform.h"

int infer_serve_main_linear(int argc, char **argv, infer_serve_handler handler) {
    infer_serve_options options;
    infer_serve_options_init_linear(&options);
    options.handler = handler;
    return infer_serve_program(argc, argv, &options);
}
