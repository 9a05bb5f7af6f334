/* Element types: what the list in types.h says of each, as a table. */
#include "types.h"

#include <stddef.h>

typedef struct type_row {
    const char *name;
    unsigned char size, bits, class;
} type_row;

static const type_row rows[] = {
#define ROW(suffix, name, size, bits, class)                                                       \
    [INFER_TYPE_##suffix] = {name, size, bits, INFER_CLASS_##class},
    INFER_TYPES(ROW)
#undef ROW
};

static const type_row *row_of(infer_type type) {
    static const type_row none = {"undefined", 0, 0, INFER_CLASS_NONE};
    size_t i = (size_t)type;
    return i < sizeof rows / sizeof *rows && rows[i].name ? &rows[i] : &none;
}

const char *infer_type_name(infer_type type) {
    return row_of(type)->name;
}

size_t infer_type_size(infer_type type) {
    return row_of(type)->size;
}

infer_type_class infer_type_kind(infer_type type) {
    return (infer_type_class)row_of(type)->class;
}

unsigned infer_type_bits(infer_type type) {
    return row_of(type)->bits;
}

infer_type infer_compute_type(infer_type type) {
    const type_row *r = row_of(type);
    if (r->class == INFER_CLASS_FLOATING && r->bits < 32)
        return INFER_TYPE_FLOAT;
    if (r->bits >= 8)
        return type;
    return r->class == INFER_CLASS_UNSIGNED ? INFER_TYPE_UINT8
           : r->class == INFER_CLASS_SIGNED ? INFER_TYPE_INT8
                                            : type;
}
