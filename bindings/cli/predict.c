/* `infer predict`: rows of numbers in, a line for each out. */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include "csv.h"
#include "json_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };
static const char *const output_formats[] = {"text", "json", "csv", NULL};
enum { INPUT_AUTO, INPUT_CSV, INPUT_JSON };
static const char *const input_formats[] = {"auto", "csv", "json", NULL};

/* A model on its way through rows. */
typedef struct session {
    infer_model *model;
    infer_context *context; /* of graphs, for labels */
    const char *label_name; /* the output with labels; NULL: the largest score decides */
    size_t features, outputs, classes;
    infer_type input_type;
    bool is_linear; /* computes in double */
    int format;
    double *row, *scores;
    void *input;     /* the row in the input's type */
    size_t *columns; /* of each feature in the CSV */
    bool has_columns;
    size_t width; /* fields a CSV row has */
    uint64_t rows;
    infer_cli_pool pool;
} session;

/* ---- the model ---- */

static void find_label_output(session *s) {
    infer_value_info in = {.struct_size = sizeof in}, out = {.struct_size = sizeof out};
    if (infer_model_input(s->model, 0, &in) != INFER_OK || infer_model_inputs(s->model) != 1)
        return;
    s->input_type = (infer_type)in.type;
    if (in.rank != 2 || (in.type != INFER_TYPE_FLOAT && in.type != INFER_TYPE_DOUBLE &&
                         in.type != INFER_TYPE_INT64))
        return;
    for (size_t i = 0; i < infer_model_outputs(s->model) && !s->label_name; i++)
        if (infer_model_output(s->model, i, &out) == INFER_OK && out.kind == INFER_KIND_TENSOR &&
            (out.type == INFER_TYPE_INT64 || out.type == INFER_TYPE_STRING))
            s->label_name = out.name;
}

static int open_session(session *s, const char *path) {
    infer_cli_progress_begin("loading", 0);
    infer_status status = infer_load(path, &s->model);
    infer_cli_progress_end();
    if (status != INFER_OK)
        return infer_cli_failed(path, status);
    s->features = infer_model_feature_count(s->model);
    s->outputs = infer_model_output_count(s->model);
    s->classes = infer_model_class_count(s->model);
    if (!s->features || !s->outputs)
        return infer_cli_fail(INFER_CLI_MODEL,
                              "%s takes or gives no fixed number of values a row; "
                              "`infer run` can run it",
                              path);
    const char *name, *domain, *op;
    s->is_linear = infer_model_nodes(s->model) == 1 &&
                   infer_model_node(s->model, 0, &name, &domain, &op) == INFER_OK &&
                   strcmp(domain, "infer") == 0 && strcmp(op, "Linear") == 0;
    if (s->classes && !s->is_linear) {
        find_label_output(s);
        status = s->label_name ? infer_context_new(s->model, &s->context) : INFER_OK;
    }
    s->row = infer_cli_pool_take(&s->pool, s->features, sizeof *s->row);
    s->input = infer_cli_pool_take(&s->pool, s->features, sizeof(double));
    s->scores = infer_cli_pool_take(&s->pool, s->outputs, sizeof *s->scores);
    s->columns = infer_cli_pool_take(&s->pool, s->features, sizeof *s->columns);
    if (status != INFER_OK)
        return infer_cli_failed(path, status);
    if (!s->row || !s->input || !s->scores || !s->columns)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    return INFER_CLI_OK;
}

static void close_session(session *s) {
    infer_context_free(s->context);
    infer_cli_pool_free(&s->pool);
    infer_free(s->model);
}

/* ---- printing ---- */

static bool has_label(const session *s) {
    return s->classes && s->classes == s->outputs;
}

static void print_number(const session *s, double number) {
    char text[32];
    if (s->format == FORMAT_JSON)
        infer_cli_print_number(stdout, number, !s->is_linear);
    else
        fputs(infer_cli_number_text(number, !s->is_linear, text), stdout);
}

static void print_csv_text(const char *text, size_t size) {
    bool quoted = memchr(text, ',', size) || memchr(text, '"', size) || memchr(text, '\n', size);
    if (quoted)
        putchar('"');
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            putchar('"');
        putchar(text[i]);
    }
    if (quoted)
        putchar('"');
}

static void print_label(const session *s, const char *text, size_t size) {
    if (s->format == FORMAT_CSV)
        print_csv_text(text, size);
    else if (s->format == FORMAT_JSON && infer_model_class_type(s->model) == INFER_TYPE_STRING)
        infer_cli_print_string(stdout, text, size);
    else
        fwrite(text, 1, size, stdout);
}

static void print_header(const session *s) {
    if (s->format != FORMAT_CSV)
        return;
    if (has_label(s))
        fputs("label", stdout);
    for (size_t i = 0; i < s->outputs; i++) {
        char name[300];
        const char *label = has_label(s) ? infer_model_class(s->model, i) : NULL;
        fputs(i || label ? "," : "", stdout);
        if (label)
            snprintf(name, sizeof name, "score_%s", label);
        else if (s->outputs > 1)
            snprintf(name, sizeof name, "output_%zu", i);
        else
            snprintf(name, sizeof name, "output");
        print_csv_text(name, strlen(name));
    }
    putchar('\n');
}

static void print_row(const session *s, const char *label, size_t label_size) {
    bool json = s->format == FORMAT_JSON;
    char between = s->format == FORMAT_TEXT ? ' ' : ',';
    if (json)
        fputs(label ? "{\"label\":" : "{\"output\":[", stdout);
    if (label)
        print_label(s, label, label_size);
    if (json && label)
        fputs(",\"scores\":{", stdout);
    for (size_t i = 0; i < s->outputs; i++) {
        if (i || (label && !json))
            putchar(between);
        if (json && label) {
            const char *class = infer_model_class(s->model, i);
            infer_cli_print_string(stdout, class, strlen(class));
            putchar(':');
        }
        print_number(s, s->scores[i]);
    }
    if (json)
        fputs(label ? "}}" : "]}", stdout);
    putchar('\n');
}

/* ---- predicting ---- */

/* The label as the graph itself gives it: not every classifier takes the largest score. */
static infer_status run_label(session *s, infer_value *label) {
    int64_t shape[2] = {1, (int64_t)s->features};
    infer_value in = {
        .type = s->input_type, .rank = 2, .shape = shape, .data = s->input, .count = s->features};
    for (size_t i = 0; i < s->features; i++) {
        if (s->input_type == INFER_TYPE_FLOAT)
            ((float *)s->input)[i] = (float)s->row[i];
        else if (s->input_type == INFER_TYPE_DOUBLE)
            ((double *)s->input)[i] = s->row[i];
        else
            ((int64_t *)s->input)[i] = (int64_t)s->row[i];
    }
    *label = (infer_value){0};
    return infer_run(s->context, NULL, &in, 1, &s->label_name, label, 1);
}

static int predict_row(session *s) {
    char number[32];
    const char *label = NULL;
    size_t label_size = 0, best = 0;
    infer_status status = infer_predict_f64(s->model, s->row, s->features, s->scores, s->outputs);
    s->rows++;
    if (status == INFER_OK && s->context && has_label(s)) {
        infer_value v;
        status = run_label(s, &v);
        if (status == INFER_OK && v.count && v.type == INFER_TYPE_STRING) {
            label = ((const infer_string *)v.data)->data;
            label_size = ((const infer_string *)v.data)->size;
        } else if (status == INFER_OK && v.count) {
            snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)v.data);
            label = number;
            label_size = strlen(number);
        }
    }
    if (status != INFER_OK) {
        snprintf(number, sizeof number, "row %llu", (unsigned long long)s->rows);
        return infer_cli_failed(number, status);
    }
    if (!label && has_label(s)) {
        for (size_t i = 1; i < s->outputs; i++)
            best = s->scores[i] > s->scores[best] ? i : best;
        label = infer_model_class(s->model, best);
        label_size = strlen(label);
    }
    if (s->rows == 1)
        print_header(s);
    print_row(s, label, label_size);
    return INFER_CLI_OK;
}

/* ---- numbers as text ---- */

static bool number_of(const char *text, double *number) {
    char *end;
    *number = strtod(text, &end);
    while (*end == ' ' || *end == '\t')
        end++;
    return end != text && *end == 0;
}

static int predict_arguments(session *s, char **values, size_t count) {
    if (count != s->features)
        return infer_cli_fail(INFER_CLI_MODEL, "%zu features were given, the model takes %zu",
                              count, s->features);
    for (size_t i = 0; i < count; i++)
        if (!number_of(values[i], &s->row[i]))
            return infer_cli_fail(INFER_CLI_MODEL, "feature %zu: \"%s\" is no number", i + 1,
                                  values[i]);
    return predict_row(s);
}

/* ---- CSV ---- */

static bool is_header(const infer_cli_csv *csv) {
    double number;
    for (size_t i = 0; i < csv->count; i++)
        if (!number_of(infer_cli_csv_field(csv, i), &number))
            return true;
    return false;
}

/* Which column has which feature. Without names in the model, columns are features in order. */
static int read_header(session *s, const infer_cli_csv *csv) {
    s->width = csv->count;
    if (!infer_model_feature_name(s->model, 0))
        return INFER_CLI_OK;
    for (size_t f = 0; f < s->features; f++) {
        const char *name = infer_model_feature_name(s->model, f);
        size_t i = 0;
        while (i < csv->count && strcmp(infer_cli_csv_field(csv, i), name) != 0)
            i++;
        if (i == csv->count)
            return infer_cli_fail(INFER_CLI_MODEL, "the header has no column \"%s\"", name);
        s->columns[f] = i;
    }
    s->has_columns = true;
    return INFER_CLI_OK;
}

static int csv_row(session *s, const infer_cli_csv *csv) {
    size_t expected = s->has_columns ? s->width : s->features;
    if (csv->count != expected)
        return infer_cli_fail(INFER_CLI_MODEL, "line %llu: %zu fields, %zu are needed",
                              (unsigned long long)csv->line, csv->count, expected);
    for (size_t f = 0; f < s->features; f++) {
        size_t i = s->has_columns ? s->columns[f] : f;
        if (!number_of(infer_cli_csv_field(csv, i), &s->row[f]))
            return infer_cli_fail(INFER_CLI_MODEL, "line %llu, field %zu: \"%s\" is no number",
                                  (unsigned long long)csv->line, i + 1,
                                  infer_cli_csv_field(csv, i));
    }
    return predict_row(s);
}

static int predict_csv(session *s, FILE *from) {
    infer_cli_csv csv;
    bool first = true;
    int code = INFER_CLI_OK;
    infer_cli_csv_open(&csv, from);
    while (!code && infer_cli_csv_next(&csv) && !ferror(stdout)) {
        code = first && is_header(&csv) ? read_header(s, &csv) : csv_row(s, &csv);
        first = false;
        infer_cli_progress_at(csv.bytes);
    }
    if (!code && csv.error)
        code = infer_cli_fail(ferror(from) ? INFER_CLI_IO : INFER_CLI_MODEL, "line %llu: %s",
                              (unsigned long long)csv.line + 1, csv.error);
    infer_cli_csv_close(&csv);
    return code;
}

/* ---- JSON ---- */

static int json_row(session *s, const json_t *row) {
    bool named = json_is_object(row);
    unsigned long long number = s->rows + 1;
    if (named && !infer_model_feature_name(s->model, 0))
        return infer_cli_fail(INFER_CLI_MODEL,
                              "row %llu: the model has no feature names; rows are "
                              "arrays",
                              number);
    if (!named && (!json_is_array(row) || json_array_size(row) != s->features))
        return infer_cli_fail(INFER_CLI_MODEL, "row %llu is no array of %zu numbers", number,
                              s->features);
    for (size_t i = 0; i < s->features; i++) {
        const char *name = infer_model_feature_name(s->model, i);
        const json_t *value = named ? json_object_get(row, name) : json_array_get(row, i);
        if (!value)
            return infer_cli_fail(INFER_CLI_MODEL, "row %llu has no feature \"%s\"", number, name);
        if (!infer_cli_json_number(value, &s->row[i]))
            return infer_cli_fail(INFER_CLI_MODEL, "row %llu, feature %zu is no number", number,
                                  i + 1);
    }
    return predict_row(s);
}

/* A document is one row, or an array of rows. */
static int json_document(session *s, const json_t *document) {
    const json_t *first = json_array_get(document, 0);
    if (!json_is_array(first) && !json_is_object(first))
        return json_row(s, document);
    for (size_t i = 0; i < json_array_size(document); i++) {
        int code = json_row(s, json_array_get(document, i));
        if (code)
            return code;
    }
    return INFER_CLI_OK;
}

static int skip_space(FILE *from) {
    int c = getc(from);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        c = getc(from);
    if (c != EOF)
        ungetc(c, from);
    return c;
}

static int predict_json(session *s, FILE *from) {
    uint64_t bytes = 0;
    int code = INFER_CLI_OK;
    while (!code && skip_space(from) != EOF && !ferror(stdout)) {
        json_error_t error;
        json_t *document = json_loadf(from, JSON_DISABLE_EOF_CHECK, &error);
        if (!document && !ferror(from))
            return infer_cli_fail(INFER_CLI_MODEL, "behind row %llu, line %d column %d: %s",
                                  (unsigned long long)s->rows, error.line, error.column,
                                  error.text);
        if (document) {
            bytes += (uint64_t)error.position;
            code = json_document(s, document);
            json_decref(document);
            infer_cli_progress_at(bytes);
        }
    }
    if (!code && ferror(from))
        return infer_cli_fail(INFER_CLI_IO, "the input cannot be read");
    return code;
}

/* ---- the command ---- */

static int predict_stream(session *s, const char *path, int format) {
    FILE *from = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    struct stat about;
    if (!from)
        return infer_cli_fail(INFER_CLI_IO, "%s: %s", path, strerror(errno));
    bool sized = fstat(fileno(from), &about) == 0 && S_ISREG(about.st_mode);
    infer_cli_progress_begin("predicting", sized ? (uint64_t)about.st_size : 0);
    if (format == INPUT_AUTO) {
        int c = skip_space(from);
        format = c == '[' || c == '{' ? INPUT_JSON : INPUT_CSV;
    }
    int code = format == INPUT_JSON ? predict_json(s, from) : predict_csv(s, from);
    infer_cli_progress_end();
    if (!code && !s->rows && !ferror(stdout))
        code = infer_cli_fail(INFER_CLI_MODEL, "the input has no rows");
    if (from != stdin)
        fclose(from);
    return code;
}

int infer_cli_predict(const infer_cli_command *command, int argc, char **argv) {
    const char *format = "text", *input_format = "auto", *input = "-";
    const infer_cli_option options[] = {
        {"format", 'f', "FORMAT", "output as text, json (a line each) or csv (default text)",
         &format},
        {"input", 'i', "FILE", "read this file instead of standard input", &input},
        {"input-format", 0, "FORMAT", "csv, json or auto (default auto)", &input_format},
    };
    int code = infer_cli_parse(command, options, 3, &argc, argv);
    if (code >= 0)
        return code;
    if (argc < 1)
        return infer_cli_misused(command, "a MODEL is needed");
    session s = {.format = infer_cli_choice(output_formats, format)};
    int read_as = infer_cli_choice(input_formats, input_format);
    if (s.format < 0)
        return infer_cli_misused(command, "--format %s is none of text, json, csv", format);
    if (read_as < 0)
        return infer_cli_misused(command, "--input-format %s is none of csv, json, auto",
                                 input_format);
    code = open_session(&s, argv[0]);
    if (!code)
        code = argc > 1 ? predict_arguments(&s, argv + 1, (size_t)argc - 1)
                        : predict_stream(&s, input, read_as);
    close_session(&s);
    return code;
}
