/* The JSON loader: linear, logistic and softmax models as any language can print them
 * (docs/json.md). */
#include "checked.h"
#include "limit.h"
#include "status.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define FORMAT_NAME "libinfer-linear"

/* ---- recognising ---- */

static size_t skip_space(const char *text, size_t size) {
    size_t at = 0;
    while (at < size && memchr(" \t\r\n", text[at], 4))
        at++;
    return at;
}

static bool contains(const char *text, size_t size, const char *word) {
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++)
        if (text[i] == word[0] && memcmp(text + i, word, length) == 0)
            return true;
    return false;
}

static int probe(const void *data, size_t size, const char *path) {
    (void)path;
    size_t at = skip_space(data, size);
    if (at == size || ((const char *)data)[at] != '{')
        return 0;
    return contains(data, size, "\"" FORMAT_NAME "\"") ? 2 : 1;
}

/* ---- memory ---- */

/* Bytes that jansson may take for a text, from its marks: it allocates by malloc and cannot be told
 * to count. Rounded up from its structures for a value, a key and an object. */
static bool worst_case(const char *text, size_t size, size_t *bytes) {
    enum { VALUE = 64, KEY = 160, OBJECT = 384 };
    size_t total = VALUE;
    for (size_t i = 0; i < size; i++) {
        size_t cost = 2; /* of the text of strings */
        switch (text[i]) {
        case ',':
        case '[':
        case '"':
            cost += VALUE;
            break;
        case ':':
            cost += KEY;
            break;
        case '{':
            cost += OBJECT;
            break;
        }
        if (!infer_add(total, cost, &total))
            return false;
    }
    *bytes = total;
    return true;
}

/* ---- reading ---- */

/* A document on its way to a model. */
typedef struct reader {
    infer_arena *arena;
    infer_linear_spec spec;
    const json_t *root;
} reader;

static infer_status number_of(const json_t *value, const char *key, size_t index, double *number) {
    if (!json_is_number(value))
        return infer_fail(INFER_ERROR_FORMAT, "\"%s\" has no number at position %zu", key, index);
    *number = json_number_value(value);
    return INFER_OK;
}

static infer_status fill_row(const json_t *array, const char *key, double *row) {
    for (size_t i = 0; i < json_array_size(array); i++)
        INFER_TRY(number_of(json_array_get(array, i), key, i, &row[i]));
    return INFER_OK;
}

/* An array of exactly `count` numbers; *list stays NULL where the key is absent. */
static infer_status read_list(reader *r, const char *key, size_t count, const double **list) {
    const json_t *array = json_object_get(r->root, key);
    if (!array)
        return INFER_OK;
    if (!json_is_array(array) || json_array_size(array) != count)
        return infer_fail(INFER_ERROR_FORMAT, "\"%s\" is no array of %zu numbers", key, count);
    double *row = infer_arena_array(r->arena, count, sizeof *row);
    if (!row)
        return INFER_ERROR_MEMORY;
    *list = row;
    return fill_row(array, key, row);
}

static infer_status read_coefficients(reader *r) {
    static const char key[] = "coefficients";
    const json_t *array = json_object_get(r->root, key), *first = json_array_get(array, 0);
    bool matrix = json_is_array(first);
    size_t rows = matrix ? json_array_size(array) : 1;
    size_t columns = json_array_size(matrix ? first : array), count;
    if (!columns)
        return infer_fail(INFER_ERROR_FORMAT, "\"%s\" is no array of numbers or of rows", key);
    double *w =
        infer_mul(rows, columns, &count) ? infer_arena_array(r->arena, count, sizeof *w) : NULL;
    if (!w)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < rows; i++) {
        const json_t *row = matrix ? json_array_get(array, i) : array;
        if (!json_is_array(row) || json_array_size(row) != columns)
            return infer_fail(INFER_ERROR_FORMAT, "row %zu of \"%s\" is no array of %zu numbers", i,
                              key, columns);
        INFER_TRY(fill_row(row, key, w + i * columns));
    }
    r->spec.output_count = rows;
    r->spec.feature_count = columns;
    r->spec.coefficients = w;
    return INFER_OK;
}

static infer_status read_intercepts(reader *r) {
    const json_t *value = json_object_get(r->root, "intercepts");
    double *b = infer_arena_array(r->arena, r->spec.output_count, sizeof *b);
    if (!b)
        return INFER_ERROR_MEMORY;
    r->spec.intercepts = b;
    if (!json_is_number(value))
        return read_list(r, "intercepts", r->spec.output_count, &r->spec.intercepts);
    for (size_t i = 0; i < r->spec.output_count; i++)
        b[i] = json_number_value(value);
    return INFER_OK;
}

static infer_status read_scaler(reader *r) {
    size_t k = r->spec.feature_count;
    INFER_TRY(read_list(r, "mean", k, &r->spec.mean));
    INFER_TRY(read_list(r, "scale", k, &r->spec.scale));
    for (size_t i = 0; r->spec.scale && i < k; i++)
        if (r->spec.scale[i] == 0)
            return infer_fail(INFER_ERROR_FORMAT, "\"scale\" is zero at position %zu", i);
    return INFER_OK;
}

static infer_status read_link(reader *r) {
    static const struct {
        const char *name;
        uint32_t link;
    } links[] = {{"identity", INFER_LINK_IDENTITY},
                 {"logistic", INFER_LINK_LOGISTIC},
                 {"softmax", INFER_LINK_SOFTMAX},
                 {"exp", INFER_LINK_EXP}};
    const json_t *value = json_object_get(r->root, "link");
    const char *name = value ? json_string_value(value) : "identity";
    for (size_t i = 0; name && i < sizeof links / sizeof *links; i++)
        if (strcmp(name, links[i].name) == 0) {
            r->spec.link = links[i].link;
            return INFER_OK;
        }
    return infer_fail(INFER_ERROR_FORMAT, "\"link\" is none of identity, logistic, softmax, exp");
}

/* Texts with a zero byte were refused by jansson, so terminated strings hold all. They live as long
 * as the document. */
static infer_status read_names(reader *r, const char *key, size_t count,
                               const char *const **names) {
    const json_t *array = json_object_get(r->root, key);
    if (!array)
        return INFER_OK;
    if (!json_is_array(array) || json_array_size(array) != count)
        return infer_fail(INFER_ERROR_FORMAT, "\"%s\" is no array of %zu names", key, count);
    const char **list = infer_arena_array(r->arena, count, sizeof *list);
    if (!list)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (!(list[i] = json_string_value(json_array_get(array, i))))
            return infer_fail(INFER_ERROR_FORMAT, "\"%s\" has no name at position %zu", key, i);
    *names = list;
    return INFER_OK;
}

static infer_status read_classes(reader *r) {
    const json_t *array = json_object_get(r->root, "classes");
    size_t count = json_array_size(array), rows = r->spec.output_count;
    if (!array)
        return INFER_OK;
    if (count < 2 || (count != rows && !(rows == 1 && count == 2)))
        return infer_fail(INFER_ERROR_FORMAT, "%zu \"classes\" do not fit %zu rows of coefficients",
                          count, rows);
    r->spec.class_count = count;
    if (json_is_string(json_array_get(array, 0)))
        return read_names(r, "classes", count, &r->spec.class_strings);
    int64_t *ints = infer_arena_array(r->arena, count, sizeof *ints);
    if (!ints)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const json_t *label = json_array_get(array, i);
        if (!json_is_integer(label))
            return infer_fail(INFER_ERROR_FORMAT, "\"classes\" are neither all integers nor all "
                                                  "strings");
        ints[i] = json_integer_value(label);
    }
    r->spec.class_ints = ints;
    return INFER_OK;
}

static infer_status check_keys(const json_t *root) {
    static const char *const known[] = {"format",        "version", "coefficients", "intercepts",
                                        "link",          "classes", "mean",         "scale",
                                        "feature_names", "metadata"};
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return infer_fail(INFER_ERROR_FORMAT, "the document is no object");
    json_object_foreach((json_t *)root, key, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            return infer_fail(INFER_ERROR_FORMAT, "unknown key \"%.100s\"", key);
    }
    const char *format = json_string_value(json_object_get(root, "format"));
    if (!format || strcmp(format, FORMAT_NAME) != 0)
        return infer_fail(INFER_ERROR_FORMAT, "\"format\" is not \"" FORMAT_NAME "\"");
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version))
        return infer_fail(INFER_ERROR_FORMAT, "\"version\" is missing");
    if (json_integer_value(version) != 1)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "\"version\" is %lld; 1 is known",
                          (long long)json_integer_value(version));
    return INFER_OK;
}

static infer_status add_metadata(const json_t *root, infer_graph *g) {
    json_t *metadata = json_object_get(root, "metadata"), *value;
    const char *key;
    if (metadata && !json_is_object(metadata))
        return infer_fail(INFER_ERROR_FORMAT, "\"metadata\" is no object");
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return infer_fail(INFER_ERROR_FORMAT, "\"metadata\" has no text for \"%.100s\"", key);
        INFER_TRY(infer_graph_metadata(g, key, json_string_value(value)));
    }
    return INFER_OK;
}

static infer_status read_document(reader *r, infer_graph *g) {
    infer_linear_spec_init(&r->spec);
    INFER_TRY(check_keys(r->root));
    INFER_TRY(read_coefficients(r));
    INFER_TRY(read_intercepts(r));
    INFER_TRY(read_scaler(r));
    INFER_TRY(read_link(r));
    INFER_TRY(read_classes(r));
    INFER_TRY(read_names(r, "feature_names", r->spec.feature_count, &r->spec.feature_names));
    INFER_TRY(add_metadata(r->root, g));
    return infer_graph_linear(g, &r->spec);
}

/* ---- the loader ---- */

static infer_status parse(infer_source *source, json_t **root) {
    size_t bytes, limit = infer_load_limit(source, 0);
    if (!worst_case(source->data, source->size, &bytes) || bytes > limit)
        return infer_fail(INFER_ERROR_LIMIT,
                          "parsing this JSON may pass the load limit of %zu bytes", limit);
    json_error_t error;
    *root = json_loadb(source->data, source->size, JSON_REJECT_DUPLICATES, &error);
    if (*root)
        return INFER_OK;
    bool memory = json_error_code(&error) == json_error_out_of_memory;
    return infer_fail(memory ? INFER_ERROR_MEMORY : INFER_ERROR_FORMAT,
                      "JSON line %d column %d: %s", error.line, error.column, error.text);
}

static void close_loaded(infer_loaded *loaded) {
    infer_graph_free(loaded->graph);
    *loaded = (infer_loaded){0};
}

static infer_status load(infer_source *source, infer_loaded *loaded) {
    json_t *root;
    INFER_TRY(parse(source, &root));
    if (source->map)
        infer_map_forget(source->map, 0, source->size);
    infer_arena arena;
    size_t limit = infer_load_limit(source, 0);
    infer_arena_init(&arena, source->allocator, limit);
    *loaded = (infer_loaded){NULL, NULL, close_loaded};
    infer_status status = infer_graph_new(source->allocator, limit, &loaded->graph);
    if (status == INFER_OK)
        status = read_document(&(reader){.arena = &arena, .root = root}, loaded->graph);
    infer_arena_free(&arena);
    json_decref(root);
    if (status != INFER_OK)
        close_loaded(loaded);
    return status;
}

const infer_loader infer_loader_json = {"json", probe, load, NULL};
