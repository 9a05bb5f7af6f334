/* The program for every model. */
#include "platform.h"
#include "s3.h"

int infer_serve_main(int argc, char **argv, infer_serve_handler handler) {
    infer_serve_options options;
    infer_serve_options_init(&options);
    options.handler = handler;
#ifdef INFER_HAVE_TLS
    options.objects = &infer_s3_objects;
#endif
    return infer_serve_program(argc, argv, &options);
}
