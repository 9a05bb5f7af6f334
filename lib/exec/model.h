/*
 * An opened model: a verified image and what is needed to run it. Linear models are run by
 * model.c and the kernels alone; everything else by the engine, which a program without
 * operators leaves out.
 */
#ifndef INFER_EXEC_MODEL_H
#define INFER_EXEC_MODEL_H

#include "alloc.h"
#include "image.h"
#include "kernels.h"
#include "linear.h"
#include "map.h"

#include <stdbool.h>

typedef struct infer_program infer_program; /* engine.h */

struct infer_model {
    infer_allocator allocator;
    infer_options options;
    infer_map map; /* of an opened file */
    void *owned;   /* image memory from the allocator */
    size_t owned_size;
    bool unsealed; /* owned gets its content hash when somebody asks for its bytes */
    infer_image image;
    infer_kernels kernels;
    bool is_linear; /* the whole model is `linear` */
    infer_linear_model linear;
    uint32_t primary; /* the output that infer_predict gives, UINT32_MAX where none is numeric */
    size_t features;  /* values a row of infer_predict; 0: any */
    size_t scores;    /* values a row of its answer; 0: not known before a run */
    infer_program *program; /* NULL while nobody needed it and in linear-only programs */
    infer_type class_type;  /* INT64, STRING, or UNDEFINED without labels */
    char *class_text;       /* labels as text, built with the model */
    size_t class_text_size;
    const char **class_names;
    size_t class_count;
    const char **symbols; /* the symbols section as pointers */
};

/* Class labels where they lie in the image: int64_t, or infer_image_text with their bytes behind
 * `texts`, checked. */
typedef struct infer_labels {
    infer_type type; /* UNDEFINED: none */
    size_t count;
    const void *entries;
    const char *texts;
} infer_labels;

/* Gives the model its class labels (classes.c). */
infer_status infer_model_classes(infer_model *m, const infer_labels *labels);

/* What the engine offers to model.c. It is reached through a weak reference: linked where something
 * strong (infer_load, a context, infer_link_operators) names it. */
typedef struct infer_engine {
    infer_status (*open)(infer_model *model);
    void (*close)(infer_model *model);
    infer_status (*labels)(infer_model *model, infer_labels *labels);
    infer_status (*predict)(infer_model *model, const void *x, size_t n, void *y, size_t m,
                            infer_type type);
} infer_engine;

extern const infer_engine infer_engine_graph;

/* ---- predict.c ---- */

/* What every way to predict asks first. */
infer_status infer_check_predict(const infer_model *m, const void *x, size_t n, const void *y);

/* Where an image comes from: exactly one of map.data and owned, or borrowed bytes. On success the
 * model owns map and owned; on failure the caller still does. options were checked. */
infer_status infer_model_new(const infer_options *options, infer_map map, void *owned,
                             size_t owned_size, const void *borrowed, size_t borrowed_size,
                             infer_model **model);

/* The caller's options over the defaults, all checked. */
infer_status infer_options_read(const infer_options *given, infer_options *options);

/* What a model may use of this processor. */
uint32_t infer_options_cpu(const infer_options *options);
uint32_t infer_model_cpu(const infer_model *m);

/* The allocator an options struct means. */
infer_allocator infer_options_allocator(const infer_options *options);

#endif
