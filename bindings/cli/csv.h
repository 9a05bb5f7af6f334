/* CSV from a stream, a row at a time. */
#ifndef INFER_CLI_CSV_H
#define INFER_CLI_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct infer_cli_csv {
    FILE *from;
    uint64_t bytes, line; /* read so far */
    char *text;           /* the row's fields, each terminated */
    size_t text_size, text_room;
    size_t *starts; /* offsets of the fields in text */
    size_t count, start_room;
    const char *error; /* why the last row could not be read, or NULL at the end of the stream */
} infer_cli_csv;

/* Bytes that one row may have. */
#define INFER_CLI_CSV_ROW ((size_t)64 << 20)

void infer_cli_csv_open(infer_cli_csv *csv, FILE *from);

/* Reads the next row that is not empty: fields in quotes or not, lines ending in LF or CRLF. False
 * at the end and on errors. */
bool infer_cli_csv_next(infer_cli_csv *csv);

/* Field number index of the row; valid until the next one. */
const char *infer_cli_csv_field(const infer_cli_csv *csv, size_t index);

void infer_cli_csv_close(infer_cli_csv *csv);

#endif
