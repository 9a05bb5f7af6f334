/* What the files of the core share. */
#ifndef INFER_SERVE_CORE_H
#define INFER_SERVE_CORE_H

#include "serve.h"

typedef struct infer_serve_preprocess infer_serve_preprocess;
struct infer_serve_image;

struct infer_serve {
    infer_model *model;
    infer_context *context; /* made by the first request that needs it */
    bool shares;            /* the model is another one's */
    infer_serve_options options;
    char name[128];                           /* the model's file's, without folder and suffix */
    const infer_serve_preprocess *preprocess; /* NULL: the model takes no images */
    uint64_t *node_ns; /* of the request at hand; NULL where nobody wants to know */
    void *connections; /* of options.objects, made by the first object */
    size_t rows;       /* predicted since an adapter set it to 0 */
    size_t features, outputs, classes;
    bool is_linear; /* a model that answers within microseconds */
    bool is_float;  /* the primary output is float32 */
    bool integers;  /* the features are integers */
    bool one_row;   /* the graph takes a single row at a time */
    /* Of a graph that gives labels: the outputs to run for. NULL: the largest score decides. */
    const char *label_name, *scores_name;
    infer_type input_type;
};

/* Bytes of a text that grows; `failed` once there was no memory. */
typedef struct infer_serve_text {
    char *data;
    size_t size, room;
    bool failed;
} infer_serve_text;

/* ---- text.c ---- */

void infer_serve_append(infer_serve_text *to, const char *data, size_t size);

/* Appends a document; reals as the shortest number that reads back as the same double. */
void infer_serve_write(infer_serve_text *to, const json_t *json);

/* A float as the JSON real that prints shortest and reads back as the same float; null for what
 * JSON has no number for. */
json_t *infer_serve_float(float number);
json_t *infer_serve_double(double number);

/* Puts '?' in place of every byte that is no part of UTF-8. */
void infer_serve_repair(char *data, size_t size);

/* A string of any bytes: what is not UTF-8 becomes '?'. */
json_t *infer_serve_string(const char *data, size_t size);

/* json_object_set_new and json_array_append_new as conditions; a NULL value is no memory. */
bool infer_serve_put(json_t *object, const char *key, json_t *value);
bool infer_serve_add(json_t *array, json_t *value);

/* ---- parse.c ---- */

/* JSON of any kind within the limits, or NULL with the error set. JSON in a string, as clients send
 * it that encode twice, is taken out of it. */
json_t *infer_serve_read(const infer_serve *serve, const char *text, size_t size,
                         infer_serve_error *error);

/* RFC 4648 with padding, nothing else. There is room for `size` bytes at `to`. */
bool infer_serve_base64(const char *text, size_t size, char *to, size_t *bytes);

/* ---- log.c ---- */

/* Before the first line: its form and the lowest level. */
void infer_serve_log_configure(const infer_serve_options *options);

/* How a platform wants its objects: what it calls the level and the levels, and where traces go. */
typedef struct infer_serve_log_style {
    const char *level;
    const char *levels[INFER_SERVE_FATAL + 1];
    bool (*put_trace)(json_t *line, const infer_serve_call *call);
} infer_serve_log_style;

/* The style stays the caller's. */
void infer_serve_log_set_style(const infer_serve_log_style *style);

/* ---- kinds.c ---- */

/* Whether a body is taken as JSON: all that is not plainly something else. */
bool infer_serve_is_json(const infer_serve_body *body);

/* ---- quick.c ---- */

/* Reads a body that is nothing but one row of numbers, each with an exact value; false for any
 * other one, good or bad. There is room for as many as the model has features. */
bool infer_serve_read_quickly(const infer_serve *serve, const infer_serve_body *body, double *row);

/* ---- request.c ---- */

/* A row of features, or a list of rows: to be given to free, or NULL with the error set. */
double *infer_serve_rows(const infer_serve *serve, const json_t *rows, bool batch,
                         infer_serve_error *error);

/* Named tensors. */
typedef struct infer_serve_tensors {
    const char **names;
    infer_value *values;
    size_t count;
} infer_serve_tensors;

/* Describes the input of this name. */
bool infer_serve_find_input(const infer_serve *serve, const char *name, infer_value_info *info);

bool infer_serve_tensors_read(const infer_serve *serve, const json_t *inputs,
                              infer_serve_tensors *tensors, infer_serve_error *error);
void infer_serve_tensors_free(infer_serve_tensors *tensors);

/* ---- element.c ---- */

/* One element of JSON into a tensor's element. On failure `why` says what it should have been. */
bool infer_serve_element_in(const json_t *json, infer_type type, void *to, const char **why);

/* Element number i as JSON; NULL for no memory. Types that JSON has no spelling for are refused by
 * infer_serve_has_json. */
json_t *infer_serve_element_out(const infer_value *value, size_t i);
bool infer_serve_has_json(infer_type type);
bool infer_serve_is_integer(infer_type type);

/* ---- answer.c ---- */

/* Any value as nested lists and objects, or NULL with the error set. */
json_t *infer_serve_value(const infer_value *value, const char *name, infer_serve_error *error);

/* What was predicted for `features` (one row) or `instances`. */
typedef struct infer_serve_result {
    bool batch;
    size_t rows, width;        /* width: scores of a row */
    const double *scores;      /* rows x width, or NULL where the graph gave values itself */
    const infer_value *labels; /* a label for each row, or NULL */
    const infer_value *values; /* rows x width, or a map for each row, or NULL */
} infer_serve_result;

json_t *infer_serve_answer(const infer_serve *serve, const infer_serve_result *result,
                           infer_serve_error *error);

/* ---- engine.c ---- */

/* Behind pointers, so that programs without them link neither loaders nor operators. */
struct infer_serve_engine {
    infer_status (*load)(const char *path, const infer_options *options, infer_model **model);
    infer_status (*context_new)(infer_model *model, infer_context **context);
    void (*context_free)(infer_context *context);
    infer_status (*run)(infer_context *context, const char *const *input_names,
                        const infer_value *inputs, size_t input_count,
                        const char *const *output_names, infer_value *outputs, size_t output_count);
    infer_status (*observe)(infer_context *context, infer_node_observer *observer, void *user);
    infer_status (*predict)(infer_context *context, const double *features, size_t feature_count,
                            double *outputs, size_t output_count);
    /* Of images. */
    bool (*preprocess_open)(const infer_serve *serve, infer_serve_preprocess **block,
                            infer_serve_error *error);
    json_t *(*predict_image)(infer_serve *serve, const infer_serve_body *body,
                             infer_serve_error *error);
    bool (*decode)(const infer_serve_body *body, struct infer_serve_image *image,
                   infer_serve_error *error);
};

/* Behind pointers for the same reason: a program without them links no TLS. */
struct infer_serve_objects {
    /* Answers one record that names an object; "null" where there is nothing to do. As
     * infer_serve_respond. */
    bool (*respond)(infer_serve *serve, const infer_serve_call *call, const json_t *record,
                    infer_serve_reply *reply);
    void (*close)(void *connections);
};

/* ---- memory.c ---- */

/* Bytes that the machine or the control group lets the process have. */
size_t infer_serve_memory(void);

/* ---- slow.c ---- */

/* Nanoseconds of a clock that only goes forward. */
uint64_t infer_serve_now(void);

/* Has the new context's nodes timed where slow requests are to be logged. */
bool infer_serve_watch_nodes(infer_serve *serve);

/* Around the handler; the line is written at the end. */
uint64_t infer_serve_slow_start(infer_serve *serve);
void infer_serve_slow_end(infer_serve *serve, const infer_serve_call *call, uint64_t start);

/* ---- predict.c ---- */

/* Answers rows of features as "features" (one row) or "instances" (a batch) would be. */
json_t *infer_serve_answer_rows(infer_serve *serve, const double *rows, size_t count, bool batch,
                                infer_serve_error *error);

/* Runs named tensors through the graph: one value for each output, to be given to free, or NULL
 * with the error set. What they point to is good until the next prediction. */
infer_value *infer_serve_run(infer_serve *serve, const infer_serve_tensors *tensors,
                             infer_serve_error *error);

/* Answers named tensors as "inputs" would be. */
json_t *infer_serve_answer_tensors(infer_serve *serve, const infer_serve_tensors *tensors,
                                   infer_serve_error *error);

/* The error of a libinfer call that failed. */
void infer_serve_failed(infer_serve_error *error, infer_status status);

#endif
