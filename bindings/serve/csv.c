/* CSV bodies (RFC 4180) as rows of features. */
#include <stdlib.h>
#include <string.h>

#include "kinds.h"

/* Longer ones are neither numbers nor names. */
#define FIELD_ROOM 256

/* ---- fields ---- */

typedef struct reader {
    const char *at, *end;
    char field[FIELD_ROOM];
    size_t size;
    bool last; /* the field ends its line */
    size_t line;
} reader;

static bool take(reader *r, char c) {
    if (r->size < FIELD_ROOM - 1 && c)
        r->field[r->size++] = c;
    else
        return false;
    return true;
}

/* Reads a field and what ends it. False for quotes in the wrong places, NUL, or too long a field.
 */
static bool read_field(reader *r) {
    bool quoted = r->at < r->end && *r->at == '"';
    r->size = 0;
    for (r->at += quoted; quoted; r->at++) {
        if (r->at == r->end)
            return false;
        if (*r->at == '"' && !(r->at + 1 < r->end && r->at[1] == '"'))
            break;
        r->at += *r->at == '"';
        if (!take(r, *r->at))
            return false;
    }
    r->at += quoted;
    while (!quoted && r->at < r->end && *r->at != ',' && *r->at != '\n' && *r->at != '\r')
        if (*r->at == '"' || !take(r, *r->at++))
            return false;
    r->field[r->size] = '\0';
    if (r->at < r->end && *r->at == ',') {
        r->at++;
        r->last = false;
        return true;
    }
    r->last = true;
    r->at += r->at < r->end && *r->at == '\r';
    if (r->at < r->end && *r->at != '\n')
        return false;
    r->at += r->at < r->end;
    return true;
}

/* Decimal numbers with blanks around them: what JSON takes, and a plus sign or zeros in front. */
static bool read_number(const reader *r, double *to) {
    const char *text = r->field + strspn(r->field, " \t");
    size_t size = strspn(text, "0123456789+-.eE");
    char *end;
    *to = strtod(text, &end);
    return size && end == text + size && !text[size + strspn(text + size, " \t")] && *to - *to == 0;
}

/* ---- the header ---- */

static bool is_header(reader r) {
    double number;
    for (r.last = false; !r.last;) {
        if (!read_field(&r))
            return false;
        if (r.size && !read_number(&r, &number))
            return true;
    }
    return false;
}

/* Which feature each column is. A model without names takes the columns as they come. */
static bool read_header(const infer_serve *serve, reader *r, size_t *columns, bool *seen,
                        infer_serve_error *error) {
    bool named = infer_model_feature_name(serve->model, 0) != NULL;
    for (size_t column = 0;; column++) {
        size_t tried = 0, feature = column;
        if (!read_field(r))
            return infer_serve_fail(error, 400, "line 1 is not CSV"), false;
        /* Mostly the names are in the model's order. */
        while (named && tried < serve->features &&
               strcmp(infer_model_feature_name(serve->model, (column + tried) % serve->features),
                      r->field) != 0)
            tried++;
        if (named && tried < serve->features)
            feature = (column + tried) % serve->features;
        if (tried == serve->features || feature >= serve->features)
            return infer_serve_fail(error, 400, "the model has no feature \"%.100s\"", r->field),
                   false;
        if (seen[feature])
            return infer_serve_fail(error, 400, "feature \"%.100s\" is there twice", r->field),
                   false;
        seen[feature] = true;
        columns[column] = feature;
        if (!r->last)
            continue;
        if (column + 1 == serve->features)
            break;
        return infer_serve_fail(error, 400, "%zu features are named, the model takes %zu",
                                column + 1, serve->features),
               false;
    }
    r->line++;
    return true;
}

/* ---- rows ---- */

static bool read_row(const infer_serve *serve, reader *r, const size_t *columns, double *to,
                     infer_serve_error *error) {
    for (size_t column = 0;; column++) {
        double number;
        if (!read_field(r))
            return infer_serve_fail(error, 400, "line %zu is not CSV", r->line), false;
        if (column == serve->features)
            return infer_serve_fail(error, 400, "line %zu has more than %zu columns", r->line,
                                    serve->features),
                   false;
        if (!read_number(r, &number) || (serve->integers && (number < -0x1p53 || number > 0x1p53 ||
                                                             number != (double)(int64_t)number)))
            return infer_serve_fail(error, 400, "line %zu column %zu is not %s: %.60s", r->line,
                                    column + 1, serve->integers ? "an integer" : "a number",
                                    r->field),
                   false;
        to[columns[column]] = number;
        if (!r->last)
            continue;
        if (column + 1 < serve->features)
            return infer_serve_fail(error, 400, "line %zu has %zu columns, the model takes %zu",
                                    r->line, column + 1, serve->features),
                   false;
        r->line++;
        return true;
    }
}

static bool read_rows(const infer_serve *serve, reader *r, const size_t *columns, double **rows,
                      size_t *count, infer_serve_error *error) {
    size_t room = 0;
    while (r->at < r->end) {
        if (*count == serve->options.max_elements / serve->features)
            return infer_serve_fail(error, 413, "there are more than %zu values",
                                    serve->options.max_elements),
                   false;
        if (*count == room) {
            room = 2 * room + 16;
            double *more = room > SIZE_MAX / sizeof *more / serve->features
                               ? NULL
                               : realloc(*rows, room * serve->features * sizeof *more);
            if (!more)
                return infer_serve_fail(error, 503, "no memory is left"), false;
            *rows = more;
        }
        if (!read_row(serve, r, columns, *rows + *count * serve->features, error))
            return false;
        ++*count;
    }
    if (!*count)
        infer_serve_fail(error, 400, "there are no rows");
    return *count > 0;
}

json_t *infer_serve_predict_csv(infer_serve *serve, const infer_serve_body *body,
                                infer_serve_error *error) {
    reader r = {.at = body->data, .end = (const char *)body->data + body->size, .line = 1};
    size_t count = 0;
    double *rows = NULL;
    json_t *answer = NULL;
    if (!serve->features)
        return infer_serve_fail(error, 400, "the model takes no rows of numbers");
    /* A byte order mark, as spreadsheets write it. */
    if (body->size >= 3 && memcmp(r.at, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    size_t *columns = calloc(serve->features, sizeof *columns + sizeof(bool));
    if (!columns)
        return infer_serve_fail(error, 503, "no memory is left");
    bool *seen = (bool *)(columns + serve->features);
    for (size_t i = 0; i < serve->features; i++)
        columns[i] = i;
    if ((r.at == r.end || !is_header(r) || read_header(serve, &r, columns, seen, error)) &&
        read_rows(serve, &r, columns, &rows, &count, error))
        answer = infer_serve_answer_rows(serve, rows, count, true, error);
    free(rows);
    free(columns);
    return answer;
}
