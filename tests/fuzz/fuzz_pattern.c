/* Fuzz target: a pattern for RegexFullMatch, and behind the first newline a text for it. */
#include "one_node.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t length = newline ? (size_t)(newline - data) : size;
    infer_attr attr = {.name = "pattern", .type = INFER_ATTR_STRING, .count = length, .data = data};
    infer_string text = {newline ? (const char *)newline + 1 : "", newline ? size - length - 1 : 0};
    infer_model *model = one_node("RegexFullMatch", INFER_TYPE_STRING, &attr);
    if (model)
        run_node(model, INFER_TYPE_STRING, &text, 1);
    infer_free(model);
    return 0;
}
