/* Patterns in RE2's syntax that are searched for. */
#ifndef INFER_OPS_REGEX_H
#define INFER_OPS_REGEX_H

#include "op.h"

typedef struct infer_regex infer_regex;

/* Refuses what cannot be used. */
infer_status infer_regex_check(infer_rewriter *rw, infer_string pattern);

/* In run: a pattern, in its memory. It has to be closed. */
infer_status infer_regex_open(infer_op_env *env, infer_string pattern, infer_regex **regex);
void infer_regex_close(infer_regex *regex);

/* The first match in text at `from` or behind it, of those that begin there the longest, as bytes
 * [*begin, *end); *begin is SIZE_MAX where there is none. VALUE where the text is no UTF-8. */
infer_status infer_regex_search(infer_regex *regex, infer_string text, size_t from, size_t *begin,
                                size_t *end);

#endif
