/* Numbers as text and text as numbers, for Cast. */
#ifndef INFER_OPS_CAST_H
#define INFER_OPS_CAST_H

#include "infer.h"

#include <stdbool.h>

#define INFER_NUMBER_TEXT 32 /* bytes that the text of any number fits */

/* Writes element number i of a numeric or boolean tensor: integers in decimal, floats in the fewest
 * digits that read back the same (with an exponent below 1e-4 and from 1e16 on), "True" and
 * "False". Gives the length; there is no terminator. */
size_t infer_number_to_text(infer_type type, const void *data, size_t i, char *text);

/* Reads a number into element number i: decimal, with or without exponent, "inf" and "nan" in any
 * case, for bool "true" and "false" as well. Independent of the locale. */
infer_status infer_text_to_number(infer_string text, infer_type type, void *data, size_t i,
                                  bool saturate);

#endif
