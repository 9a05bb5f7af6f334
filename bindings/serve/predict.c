/* The default handler: a request in one of four forms, through the model, to an answer. */
#include "kinds.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

json_t *infer_serve_fail(infer_serve_error *error, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    vsnprintf(error->reason, sizeof error->reason, format, arguments);
    va_end(arguments);
    return NULL;
}

void infer_serve_failed(infer_serve_error *error, infer_status status) {
    static const int http[] = {
        [INFER_ERROR_ARGUMENT] = 400, [INFER_ERROR_SHAPE] = 400,  [INFER_ERROR_TYPE] = 400,
        [INFER_ERROR_VALUE] = 400,    [INFER_ERROR_MEMORY] = 503, [INFER_ERROR_LIMIT] = 503,
    };
    bool known = (size_t)status < sizeof http / sizeof *http && http[status];
    infer_serve_fail(error, known ? http[status] : 500, "%s", infer_last_error());
}

static bool get_context(infer_serve *serve, infer_serve_error *error) {
    const infer_serve_engine *engine = serve->options.engine;
    if (!engine)
        return infer_serve_fail(error, 501, "this program has no operators: send rows of features"),
               false;
    if (serve->context)
        return true;
    infer_status status = engine->context_new(serve->model, &serve->context);
    if (status != INFER_OK)
        infer_serve_failed(error, status);
    else if (infer_serve_watch_nodes(serve))
        return true;
    else
        infer_serve_fail(error, 503, "no memory is left");
    engine->context_free(serve->context);
    serve->context = NULL;
    return false;
}

/* ---- rows ---- */

/* The rows in the type of the graph's input, to be given to free. Integers were checked. */
static void *convert_rows(const infer_serve *serve, const double *rows, size_t count,
                          infer_serve_error *error) {
    void *converted = malloc(count * sizeof(double));
    if (!converted)
        return infer_serve_fail(error, 503, "no memory is left");
    for (size_t i = 0; i < count; i++) {
        if (serve->input_type == INFER_TYPE_FLOAT)
            ((float *)converted)[i] = (float)rows[i];
        else if (serve->input_type == INFER_TYPE_DOUBLE)
            ((double *)converted)[i] = rows[i];
        else
            ((int64_t *)converted)[i] = (int64_t)rows[i];
    }
    return converted;
}

/* A graph that gives labels: these and its scores of one run. */
static json_t *classify(infer_serve *serve, const double *rows, infer_serve_result *result,
                        infer_serve_error *error) {
    size_t count = result->rows * serve->features;
    int64_t shape[2] = {(int64_t)result->rows, (int64_t)serve->features};
    void *data = get_context(serve, error) ? convert_rows(serve, rows, count, error) : NULL;
    if (!data)
        return NULL;
    infer_value in = {
        .type = serve->input_type, .rank = 2, .shape = shape, .data = data, .count = count};
    const char *names[] = {serve->label_name, serve->scores_name};
    infer_value out[2] = {{0}, {0}};
    infer_status status =
        serve->options.engine->run(serve->context, NULL, &in, 1, names, out, names[1] ? 2 : 1);
    free(data);
    if (status != INFER_OK) {
        infer_serve_failed(error, status);
        return NULL;
    }
    result->labels = &out[0];
    result->values = names[1] ? &out[1] : NULL;
    result->width = out[1].count / result->rows;
    if (out[0].count != result->rows || (names[1] && out[1].count != result->width * result->rows))
        return infer_serve_fail(error, 500, "the model gave %zu labels and %zu scores for %zu rows",
                                out[0].count, out[1].count, result->rows);
    return infer_serve_answer(serve, result, error);
}

/* A graph runs in the context of all its runs, so that slow requests can name their nodes. */
static bool run_scores(infer_serve *serve, const double *rows, size_t features, double *scores,
                       size_t count, infer_serve_error *error) {
    if (!serve->is_linear && !get_context(serve, error))
        return false;
    infer_status status =
        serve->is_linear
            ? infer_predict_f64(serve->model, rows, features, scores, count)
            : serve->options.engine->predict(serve->context, rows, features, scores, count);
    if (status != INFER_OK)
        infer_serve_failed(error, status);
    return status == INFER_OK;
}

static json_t *predict_scores(infer_serve *serve, const double *rows, infer_serve_result *result,
                              infer_serve_error *error) {
    size_t features = result->rows * serve->features;
    double *scores = result->rows > SIZE_MAX / sizeof *scores / serve->outputs
                         ? NULL
                         : malloc(result->rows * serve->outputs * sizeof *scores);
    if (!scores)
        return infer_serve_fail(error, 503, "no memory is left");
    json_t *answer = NULL;
    result->scores = scores;
    result->width = serve->outputs;
    if (run_scores(serve, rows, features, scores, result->rows * serve->outputs, error))
        answer = infer_serve_answer(serve, result, error);
    free(scores);
    return answer;
}

static json_t *predict_result(infer_serve *serve, const double *rows, infer_serve_result result,
                              infer_serve_error *error) {
    return serve->label_name ? classify(serve, rows, &result, error)
                             : predict_scores(serve, rows, &result, error);
}

/* A batch for a graph that takes one row at a time: answers of one row each, put together. */
static json_t *predict_each(infer_serve *serve, const double *rows, size_t count,
                            infer_serve_error *error) {
    const infer_serve_result one = {.batch = true, .rows = 1};
    json_t *all = predict_result(serve, rows, one, error);
    for (size_t i = 1; all && i < count; i++) {
        const char *key;
        json_t *list, *next = predict_result(serve, rows + i * serve->features, one, error);
        bool good = next != NULL;
        json_object_foreach(all, key, list) good =
            good && json_array_extend(list, json_object_get(next, key)) == 0;
        json_decref(next);
        if (!good) {
            json_decref(all);
            return error->status ? NULL : infer_serve_fail(error, 503, "no memory is left");
        }
    }
    return all;
}

static bool takes_rows(const infer_serve *serve, infer_serve_error *error) {
    if (serve->features && (serve->outputs || serve->label_name))
        return true;
    infer_serve_fail(error, 400, "the model takes no rows of numbers: send {\"inputs\":{...}}");
    return false;
}

json_t *infer_serve_answer_rows(infer_serve *serve, const double *rows, size_t count, bool batch,
                                infer_serve_error *error) {
    if (!takes_rows(serve, error))
        return NULL;
    serve->rows += count;
    if (batch && serve->one_row)
        return predict_each(serve, rows, count, error);
    return predict_result(serve, rows, (infer_serve_result){.batch = batch, .rows = count}, error);
}

static json_t *predict_rows(infer_serve *serve, const json_t *rows, bool batch,
                            infer_serve_error *error) {
    if (!takes_rows(serve, error))
        return NULL;
    if (batch && (!json_is_array(rows) || !json_array_size(rows)))
        return infer_serve_fail(error, 400, "\"instances\" is not a list of rows");
    double *features = infer_serve_rows(serve, rows, batch, error);
    json_t *answer = features
                         ? infer_serve_answer_rows(serve, features,
                                                   batch ? json_array_size(rows) : 1, batch, error)
                         : NULL;
    free(features);
    return answer;
}

/* ---- tensors ---- */

/* Every output by its name, and the first one's element where it has a single one. */
static json_t *answer_outputs(const infer_serve *serve, const infer_value *values, size_t count,
                              infer_serve_error *error) {
    json_t *answer = json_object(), *outputs = json_object();
    bool good = outputs && json_object_set(answer, "outputs", outputs) == 0;
    for (size_t i = 0; good && i < count; i++) {
        infer_value_info info = {.struct_size = sizeof info};
        infer_model_output(serve->model, i, &info);
        json_t *value = infer_serve_value(&values[i], info.name, error);
        json_t *name = infer_serve_string(info.name, strlen(info.name));
        good = value && name && json_object_set(outputs, json_string_value(name), value) == 0;
        json_decref(value);
        json_decref(name);
    }
    if (good && count && values[0].kind == INFER_KIND_TENSOR && values[0].count == 1)
        good = infer_serve_put(answer, "prediction", infer_serve_element_out(&values[0], 0));
    json_decref(outputs);
    if (good)
        return answer;
    json_decref(answer);
    return error->status ? NULL : infer_serve_fail(error, 503, "no memory is left");
}

infer_value *infer_serve_run(infer_serve *serve, const infer_serve_tensors *tensors,
                             infer_serve_error *error) {
    size_t count = infer_model_outputs(serve->model);
    infer_value *outputs = calloc(count + 1, sizeof *outputs);
    if (!outputs) {
        infer_serve_fail(error, 503, "no memory is left");
    } else if (get_context(serve, error)) {
        infer_status status = serve->options.engine->run(
            serve->context, tensors->names, tensors->values, tensors->count, NULL, outputs, count);
        if (status == INFER_OK)
            return outputs;
        infer_serve_failed(error, status);
    }
    free(outputs);
    return NULL;
}

json_t *infer_serve_answer_tensors(infer_serve *serve, const infer_serve_tensors *tensors,
                                   infer_serve_error *error) {
    infer_value *outputs = infer_serve_run(serve, tensors, error);
    serve->rows++;
    json_t *answer =
        outputs ? answer_outputs(serve, outputs, infer_model_outputs(serve->model), error) : NULL;
    free(outputs);
    return answer;
}

static json_t *predict_tensors(infer_serve *serve, const json_t *inputs, infer_serve_error *error) {
    infer_serve_tensors tensors;
    json_t *answer = infer_serve_tensors_read(serve, inputs, &tensors, error)
                         ? infer_serve_answer_tensors(serve, &tensors, error)
                         : NULL;
    infer_serve_tensors_free(&tensors);
    return answer;
}

/* ---- the forms ---- */

json_t *infer_serve_predict(infer_serve *serve, const json_t *request, infer_serve_error *error) {
    const json_t *features = json_object_get(request, "features");
    const json_t *instances = json_object_get(request, "instances");
    const json_t *inputs = json_object_get(request, "inputs");
    const json_t *text = json_object_get(request, "text");
    const json_t *image = json_object_get(request, "image");
    if (!features + !instances + !inputs + !text + !image != 4)
        return infer_serve_fail(error, 400,
                                "the request needs one of \"features\", \"instances\", "
                                "\"inputs\", \"text\", \"image\"");
    if (image)
        return infer_serve_predict_coded_image(serve, image, error);
    if (inputs)
        return predict_tensors(serve, inputs, error);
    if (text && !json_is_string(text))
        return infer_serve_fail(error, 400, "\"text\" is not a string");
    if (text)
        return infer_serve_predict_text(serve, json_string_value(text), json_string_length(text),
                                        error);
    return predict_rows(serve, features ? features : instances, instances != NULL, error);
}
