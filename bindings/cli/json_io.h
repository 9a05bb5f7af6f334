/* Values from JSON and to JSON, by the model's types. */
#ifndef INFER_CLI_JSON_IO_H
#define INFER_CLI_JSON_IO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "infer.h"

/* Memory that lives as long as the values made in it. */
typedef struct infer_cli_pool {
    void **blocks;
    size_t count, room;
} infer_cli_pool;

/* Zeroed memory, or NULL. */
void *infer_cli_pool_take(infer_cli_pool *pool, size_t count, size_t size);
void infer_cli_pool_free(infer_cli_pool *pool);

/* JSON as a value of the type that type_string spells. What it points to lies in the pool or the
 * JSON. On failure `why` has the reason. */
bool infer_cli_json_value(infer_cli_pool *pool, const json_t *json, const char *type_string,
                          infer_value *value, char *why, size_t why_size);

/* A number of JSON, or "NaN", "Infinity", "-Infinity". */
bool infer_cli_json_number(const json_t *json, double *number);

/* ---- json_out.c ---- */

/* The shortest spelling that reads back as the same float or double, into text[32]. */
const char *infer_cli_number_text(double number, bool is_float, char *text);

/* The same as JSON: what it has no numbers for in quotes. */
void infer_cli_print_number(FILE *to, double number, bool is_float);
void infer_cli_print_string(FILE *to, const char *text, size_t size);

/* False for element types that JSON has no spelling for. */
bool infer_cli_print_value(FILE *to, const infer_value *value);

/* The element of a float16 or bfloat16 as a number. */
float infer_cli_half(infer_type type, uint16_t bits);

#endif
