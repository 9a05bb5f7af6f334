/* LabelEncoder: each element is looked up among keys and becomes the value beside its key.
 * CategoryMapper is the same with other attributes. */
#include "ml_keys.h"

#include <string.h>

typedef struct label_params {
    infer_list keys_tensor, values_tensor, default_tensor;
    int64_t bits; /* of version 2: the keys are those of floats, so that -0 is not 0 */
} label_params;

static const infer_op_attr label_attrs[] = {
    A_REQUIRED(label_params, keys_tensor, TENSOR), A_REQUIRED(label_params, values_tensor, TENSOR),
    A_REQUIRED(label_params, default_tensor, TENSOR), A_INT(label_params, bits, 0)};

#define T_LABEL (T_ML | T(INT16) | T(STRING))

/* The one element for what is not found, by the type of the values: given, or ONNX's own. */
static infer_status set_default(infer_rewriter *rw, uint8_t type) {
    const infer_attr *given = rw->attr(rw, "default_tensor");
    if (given) {
        if (given->type != INFER_ATTR_TENSOR || given->tensor.type != type ||
            infer_view_count(&given->tensor) != 1)
            return infer_fail(INFER_ERROR_FORMAT, "default_tensor does not fit the values");
        return INFER_OK;
    }
    const infer_attr *number = rw->attr(rw, "default_int64"), *real = rw->attr(rw, "default_float"),
                     *text = rw->attr(rw, "default_string");
    if ((number && number->type != INFER_ATTR_INT) || (real && real->type != INFER_ATTR_FLOAT) ||
        (text && text->type != INFER_ATTR_STRING))
        return infer_fail(INFER_ERROR_FORMAT, "a default is of the wrong kind");
    infer_string s = text ? (infer_string){text->data, text->count} : (infer_string){"_Unused", 7};
    int64_t whole = number && type == INFER_TYPE_INT64 ? number->i : -1;
    double fraction = real && type == INFER_TYPE_FLOAT ? real->f : -0.0;
    infer_chunk element;
    infer_view one = {.type = type, .rank = 1, .data = &element};
    one.dim[0] = 1;
    if (type == INFER_TYPE_STRING)
        one.data = &s;
    else if (infer_type_kind((infer_type)type) == INFER_CLASS_FLOATING)
        infer_store_double((infer_type)type, &fraction, &element, 0, 1);
    else
        infer_store_int((infer_type)type, &whole, &element, 0, 1);
    return infer_ml_set_list(rw, "default_tensor", &one);
}

/* The names that a list may have, and the type of its elements. */
static const struct {
    const char *keys, *values, *one;
    uint8_t type, list_attr;
} forms[] = {
    {"keys_int64s", "values_int64s", "default_int64", INFER_TYPE_INT64, INFER_ATTR_INTS},
    {"keys_floats", "values_floats", "default_float", INFER_TYPE_FLOAT, INFER_ATTR_FLOATS},
    {"keys_strings", "values_strings", "default_string", INFER_TYPE_STRING, INFER_ATTR_STRINGS},
    {"keys_tensor", "values_tensor", "default_tensor", 0, INFER_ATTR_TENSOR}};
#define FORM_COUNT (sizeof forms / sizeof forms[0])

/* Reads the one list among the forms. */
static infer_status find_list(infer_rewriter *rw, bool keys, infer_view *list) {
    const infer_attr *found = NULL;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        const infer_attr *a = rw->attr(rw, keys ? forms[i].keys : forms[i].values);
        if (!a)
            continue;
        if (found)
            return infer_fail(INFER_ERROR_FORMAT, "both %s and %s are set", found->name, a->name);
        if (a->type != forms[i].list_attr)
            return infer_fail(INFER_ERROR_FORMAT, "%s is of the wrong kind", a->name);
        found = a;
        *list = (infer_view){.type = forms[i].type, .rank = 1, .data = (void *)a->data};
        list->dim[0] = (int64_t)a->count;
        if (forms[i].type == 0)
            *list = a->tensor;
    }
    if (!found)
        return infer_fail(INFER_ERROR_FORMAT, "no %s are set", keys ? "keys" : "values");
    if (!(T_LABEL >> list->type & 1))
        return infer_fail(INFER_ERROR_FORMAT, "%s are of type %s", keys ? "keys" : "values",
                          infer_type_name((infer_type)list->type));
    return INFER_OK;
}

static void drop_old_names(infer_rewriter *rw) {
    rw->drop_attr(rw, "classes_strings");
    for (size_t i = 0; i < FORM_COUNT; i++) {
        if (forms[i].type == 0)
            continue;
        rw->drop_attr(rw, forms[i].keys);
        rw->drop_attr(rw, forms[i].values);
        rw->drop_attr(rw, forms[i].one);
    }
}

/* Version 1: a list of strings and their numbers, in the direction that the input's type says. */
static infer_status set_classes(infer_rewriter *rw) {
    const infer_attr *classes = rw->attr(rw, "classes_strings");
    if (!classes || classes->type != INFER_ATTR_STRINGS)
        return infer_fail(INFER_ERROR_FORMAT, "classes_strings is not set");
    int64_t n = (int64_t)classes->count;
    infer_view text = {
        .type = INFER_TYPE_STRING, .rank = 1, .dim = {n}, .data = (void *)classes->data};
    infer_view numbers = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {n}};
    int64_t *number = numbers.data = rw->alloc(rw, classes->count * sizeof *number);
    if (!number)
        return rw->failed;
    for (int64_t i = 0; i < n; i++)
        number[i] = i;
    bool encode = rw->view(rw, rw->input(rw, 0))->type == INFER_TYPE_STRING;
    INFER_TRY(set_default(rw, encode ? INFER_TYPE_INT64 : INFER_TYPE_STRING));
    return encode ? infer_ml_set_keys(rw, &text, &numbers, true)
                  : infer_ml_set_keys(rw, &numbers, &text, true);
}

/* Names of later versions are not looked at, and refused with all that nobody knows. */
static infer_status refuse(infer_rewriter *rw, const char *name) {
    return rw->attr(rw, name)
               ? infer_fail(INFER_ERROR_FORMAT, "version %d has no attribute %s", rw->version, name)
               : INFER_OK;
}

/* All NaNs are one, whatever their bits: that is what version 2 promises them for. */
static int32_t float_bits(float f) {
    int32_t bits = 0x7fc00000;
    if (f == f)
        memcpy(&bits, &f, sizeof bits);
    return bits;
}

static infer_status compare_bits(infer_rewriter *rw, infer_view *keys) {
    int64_t n = infer_view_count(keys);
    const float *from = keys->data;
    int32_t *to = rw->alloc(rw, (size_t)n * sizeof *to);
    if (!to)
        return rw->failed;
    for (int64_t i = 0; i < n; i++)
        to[i] = float_bits(from[i]);
    keys->type = INFER_TYPE_INT32;
    keys->data = to;
    return infer_set_int(rw, "bits", 1);
}

static infer_status label_upgrade(infer_rewriter *rw) {
    for (size_t i = 0; i < FORM_COUNT; i++) {
        if (rw->version >= (forms[i].type ? 2 : 4))
            continue;
        INFER_TRY(refuse(rw, forms[i].keys));
        INFER_TRY(refuse(rw, forms[i].values));
        if (forms[i].type == 0 || forms[i].type == INFER_TYPE_FLOAT)
            INFER_TRY(refuse(rw, forms[i].one));
    }
    INFER_TRY(refuse(rw, "bits"));
    if (rw->version < 2) {
        INFER_TRY(set_classes(rw));
    } else {
        infer_view keys, values;
        INFER_TRY(refuse(rw, "classes_strings"));
        INFER_TRY(find_list(rw, true, &keys));
        INFER_TRY(find_list(rw, false, &values));
        INFER_TRY(set_default(rw, values.type));
        if (rw->version < 4 && keys.type == INFER_TYPE_FLOAT)
            INFER_TRY(compare_bits(rw, &keys));
        /* onnxruntime kept the first of equal keys; version 4 defines that the last one counts. */
        INFER_TRY(infer_ml_set_keys(rw, &keys, &values, rw->version >= 4));
    }
    drop_old_names(rw);
    return INFER_OK;
}

/* ---- looking up ---- */

static infer_status label_infer(infer_op_env *env) {
    const label_params *p = env->params;
    uint32_t type = p->values_tensor.type;
    bool bits = p->bits && env->in[0]->type == INFER_TYPE_FLOAT;
    bool fits = type < 32 && T_LABEL >> type & 1 &&
                p->keys_tensor.type == (bits ? INFER_TYPE_INT32 : env->in[0]->type) &&
                p->keys_tensor.count == p->values_tensor.count && p->default_tensor.count == 1 &&
                p->default_tensor.type == type;
    if (!fits)
        return infer_fail(INFER_ERROR_TYPE, "keys of type %s for an input of type %s",
                          infer_type_name((infer_type)p->keys_tensor.type),
                          infer_type_name((infer_type)env->in[0]->type));
    return infer_ml_like(env, type);
}

static infer_status label_run(infer_op_env *env) {
    const label_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    bool text = y->type == INFER_TYPE_STRING;
    const char *values = text ? NULL : infer_list_data(env, &p->values_tensor);
    const char *missing = text ? NULL : infer_list_data(env, &p->default_tensor);
    int64_t n = infer_view_count(x);
    size_t size = infer_type_size((infer_type)y->type);
    bool as_bits = p->bits && x->type == INFER_TYPE_FLOAT;
    int32_t bits = 0;
    infer_view one = {.type = INFER_TYPE_INT32, .rank = 0, .data = &bits};
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = 0;
        if (as_bits)
            bits = float_bits(((const float *)x->data)[i]);
        bool found = infer_ml_find(env, &p->keys_tensor, as_bits ? &one : x, as_bits ? 0 : i, &at);
        if (text)
            ((infer_string *)y->data)[i] = found ? infer_list_string(env, &p->values_tensor, at)
                                                 : infer_list_string(env, &p->default_tensor, 0);
        else
            memcpy((char *)y->data + (size_t)i * size, found ? values + at * size : missing, size);
    }
    return INFER_OK;
}

const infer_op infer_op_label_encoder = {
    INFER_ML_OP("LabelEncoder", 1, 1, 1, label_params, label_attrs),
    .revision = 1,
    .types = {T_LABEL},
    .upgrade = label_upgrade,
    .infer = label_infer,
    .run = label_run,
};

/* ---- CategoryMapper ---- */

/* Strings become integers and integers strings: the input says which. */
static infer_status category_upgrade(infer_rewriter *rw) {
    const infer_attr *ints = rw->attr(rw, "cats_int64s"), *strings = rw->attr(rw, "cats_strings");
    static const char *const known[] = {"cats_int64s", "cats_strings", "default_int64",
                                        "default_string"};
    for (size_t i = 0; i < sizeof label_attrs / sizeof *label_attrs; i++)
        INFER_TRY(refuse(rw, label_attrs[i].name));
    if (!ints || !strings || ints->type != INFER_ATTR_INTS || strings->type != INFER_ATTR_STRINGS)
        return infer_fail(INFER_ERROR_FORMAT, "cats_int64s and cats_strings must be set");
    infer_view numbers = {.type = INFER_TYPE_INT64,
                          .rank = 1,
                          .dim = {(int64_t)ints->count},
                          .data = (void *)ints->data};
    infer_view text = {.type = INFER_TYPE_STRING,
                       .rank = 1,
                       .dim = {(int64_t)strings->count},
                       .data = (void *)strings->data};
    bool encode = rw->view(rw, rw->input(rw, 0))->type == INFER_TYPE_STRING;
    INFER_TRY(set_default(rw, encode ? INFER_TYPE_INT64 : INFER_TYPE_STRING));
    INFER_TRY(infer_ml_set_keys(rw, encode ? &text : &numbers, encode ? &numbers : &text, true));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        rw->drop_attr(rw, known[i]);
    return rw->become(rw, "ai.onnx.ml", "LabelEncoder");
}

const infer_op infer_op_category_mapper = {
    INFER_ML_OP("CategoryMapper", 1, 1, 1, label_params, label_attrs),
    .revision = 1,
    .types = {T(INT64) | T(STRING)},
    .upgrade = category_upgrade,
    .infer = label_infer,
    .run = label_run,
};
