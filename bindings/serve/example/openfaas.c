/* A handler of one's own for OpenFaaS that takes more than JSON: a CSV of leads in, the best ones
 * out.
 *
 * Lines are name,visits,minutes,pages; the model's rows are the three numbers. {"leads": "..."} is
 * the same inside JSON. */
#include <stdlib.h>
#include <string.h>

#include "serve.h"

/* The numbers of one line into a row; false where they are not three. */
static bool add_row(json_t *rows, const char *line, size_t size) {
    const char *comma = memchr(line, ',', size);
    double numbers[3];
    char text[200];
    int read = 0;
    if (!comma || size - (size_t)(comma - line) >= sizeof text)
        return false;
    memcpy(text, comma, size - (size_t)(comma - line));
    text[size - (size_t)(comma - line)] = 0;
    for (char *at = text; read < 3 && *at == ','; read++) {
        char *end;
        numbers[read] = strtod(at + 1, &end);
        if (end == at + 1)
            return false;
        at = end;
        if (read == 2 && *at && *at != '\r')
            return false;
    }
    return read == 3 && json_array_append_new(
                            rows, json_pack("[f, f, f]", numbers[0], numbers[1], numbers[2])) == 0;
}

/* Rows of all lines, and the lines' names. */
static json_t *read_leads(const char *text, size_t size, json_t *names, infer_serve_error *error) {
    json_t *rows = json_array();
    for (const char *line = text, *end = text + size; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((next ? next : end) - line);
        const char *comma = memchr(line, ',', length);
        if (length &&
            (!add_row(rows, line, length) ||
             json_array_append_new(names, json_stringn(line, (size_t)(comma - line))) != 0)) {
            json_decref(rows);
            return infer_serve_fail(error, 422, "line %zu is not name,visits,minutes,pages",
                                    json_array_size(names) + 1);
        }
        line += length + (next != NULL);
    }
    return json_pack("{s:o}", "instances", rows);
}

/* Those that the model calls "hot", in their order. */
static json_t *choose(const json_t *answer, const json_t *names) {
    json_t *hot = json_array(), *label;
    size_t i;
    json_array_foreach(json_object_get(answer, "labels"), i, label) {
        if (json_is_string(label) && strcmp(json_string_value(label), "hot") == 0)
            json_array_append(hot, json_array_get(names, i));
    }
    return json_pack("{s:o}", "hot", hot);
}

static json_t *handle(void *user, infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    const json_t *leads = json_object_get(request, "leads");
    json_t *names = json_array(), *chosen = NULL;
    (void)user;
    if (request && !json_is_string(leads))
        infer_serve_fail(error, 422, "leads are not a text");
    json_t *rows =
        error->status ? NULL
        : request ? read_leads(json_string_value(leads), json_string_length(leads), names, error)
                  : read_leads(call->body->data, call->body->size, names, error);
    json_t *answer = rows ? infer_serve_predict(serve, rows, error) : NULL;
    if (answer)
        chosen = choose(answer, names);
    json_decref(answer);
    json_decref(rows);
    json_decref(names);
    return chosen;
}

int main(int argc, char **argv) {
    return infer_serve_main(argc, argv, (infer_serve_handler){handle, NULL});
}
