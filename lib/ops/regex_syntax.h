/* Patterns in RE2's syntax as patterns of PCRE2 that mean the same. */
#ifndef INFER_OPS_REGEX_SYNTAX_H
#define INFER_OPS_REGEX_SYNTAX_H

#include "infer.h"

/* The most bytes that a pattern of this size may become. */
#define INFER_REGEX_ROOM(size) (32 * (size) + 16)

/* Translates into to[], whose size is set. VALUE with the reason where the pattern has something
 * that RE2 refuses and PCRE2 would take (backreferences, lookaround, recursion, ...); what both
 * refuse is left to PCRE2. To be compiled with UTF, DOLLAR_ENDONLY and ALT_CIRCUMFLEX, a newline
 * being \n. */
infer_status infer_regex_translate(infer_string pattern, char *to, size_t *size);

#endif
