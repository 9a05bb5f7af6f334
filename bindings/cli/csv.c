/* CSV from a stream: memory for one row, however many there are. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

void infer_cli_csv_open(infer_cli_csv *csv, FILE *from) {
    *csv = (infer_cli_csv){.from = from};
}

void infer_cli_csv_close(infer_cli_csv *csv) {
    free(csv->text);
    free(csv->starts);
}

const char *infer_cli_csv_field(const infer_cli_csv *csv, size_t index) {
    return csv->text + csv->starts[index];
}

static bool put(infer_cli_csv *csv, int c) {
    if (csv->text_size == csv->text_room) {
        size_t room = csv->text_room ? 2 * csv->text_room : 4096;
        char *text = room <= 2 * INFER_CLI_CSV_ROW ? realloc(csv->text, room) : NULL;
        if (!text) {
            csv->error = "the row is too long";
            return false;
        }
        csv->text = text;
        csv->text_room = room;
    }
    csv->text[csv->text_size++] = (char)c;
    return true;
}

static bool begin_field(infer_cli_csv *csv) {
    if (csv->count == csv->start_room) {
        size_t room = csv->start_room ? 2 * csv->start_room : 64;
        size_t *starts = realloc(csv->starts, room * sizeof *starts);
        if (!starts) {
            csv->error = "the row has too many fields";
            return false;
        }
        csv->starts = starts;
        csv->start_room = room;
    }
    csv->starts[csv->count++] = csv->text_size;
    return true;
}

static int next(infer_cli_csv *csv) {
    int c = getc(csv->from);
    csv->bytes += c != EOF;
    csv->line += c == '\n';
    return c;
}

/* Behind the opening quote. Leaves *c at what follows the closing one. */
static bool read_quoted(infer_cli_csv *csv, int *c) {
    while ((*c = next(csv)) != EOF) {
        if (*c == '"' && (*c = next(csv)) != '"')
            return true;
        if (!put(csv, *c))
            return false;
    }
    csv->error = "a quoted field has no end";
    return false;
}

static bool read_field(infer_cli_csv *csv, int *c) {
    if (!begin_field(csv))
        return false;
    if (*c == '"') {
        if (!read_quoted(csv, c))
            return false;
        if (*c != ',' && *c != '\r' && *c != '\n' && *c != EOF) {
            csv->error = "text follows a quoted field";
            return false;
        }
    }
    while (*c != ',' && *c != '\n' && *c != EOF) {
        if (*c == 0) {
            csv->error = "the row holds a zero byte";
            return false;
        }
        if (!put(csv, *c))
            return false;
        *c = next(csv);
    }
    if (*c != ',' && csv->text_size > csv->starts[csv->count - 1] &&
        csv->text[csv->text_size - 1] == '\r')
        csv->text_size--;
    return put(csv, 0);
}

/* The mark that some programs write before UTF-8. */
static int skip_mark(infer_cli_csv *csv, int c) {
    if (c != 0xEF || csv->bytes != 1)
        return c;
    return next(csv) == 0xBB && next(csv) == 0xBF ? next(csv) : c;
}

bool infer_cli_csv_next(infer_cli_csv *csv) {
    csv->error = NULL;
    for (;;) {
        csv->text_size = csv->count = 0;
        int c = skip_mark(csv, next(csv));
        if (c == EOF)
            break;
        if (!read_field(csv, &c))
            return false;
        while (c == ',') {
            c = next(csv);
            if (!read_field(csv, &c))
                return false;
        }
        if (csv->count > 1 || csv->text[0])
            return true;
    }
    if (ferror(csv->from))
        csv->error = "it cannot be read";
    return false;
}
