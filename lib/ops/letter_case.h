/* Texts in lower and upper case, the same on every machine: Unicode's simple mappings, letter by
 * letter, of no language in particular. */
#ifndef INFER_OPS_LETTER_CASE_H
#define INFER_OPS_LETTER_CASE_H

#include "op.h"

/* Bytes that a text of this size may need in another case. */
#define INFER_CASE_ROOM(size) (2 * (size))

/* Writes the text in upper or lower case and its size. Beyond ASCII utf8proc is needed; what is no
 * UTF-8 stays as it is. */
infer_status infer_change_case(infer_string text, bool upper, char *to, size_t *size);

#endif
