/* LabelEncoder: each element is looked up among keys and becomes the value beside its key.
 *
 * Loading sorts the keys, so that a lookup is a binary search: over keys that a forged image left
 * unsorted it finds less, and that is all. */
#include "ml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct label_params {
    infer_list keys_tensor, values_tensor, default_tensor;
} label_params;

static const infer_op_attr label_attrs[] = {A_REQUIRED(label_params, keys_tensor, TENSOR),
                                            A_REQUIRED(label_params, values_tensor, TENSOR),
                                            A_REQUIRED(label_params, default_tensor, TENSOR)};

#define T_LABEL (T_ML | T(INT16) | T(STRING))

/* ---- order ---- */

typedef union key {
    int64_t i;
    double d;
    infer_string s;
} key;

/* NaNs are alike, and behind all numbers. */
static int compare_double(double a, double b) {
    if (isnan(a) || isnan(b))
        return !!isnan(a) - !!isnan(b);
    return (a > b) - (a < b);
}

static int compare_text(infer_string a, infer_string b) {
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_int(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* Element i of a list as a key of its kind: text, floating or whole. */
static key read_key(const infer_view *v, int64_t i) {
    infer_chunk chunk;
    if (v->type == INFER_TYPE_STRING)
        return (key){.s = ((const infer_string *)v->data)[i]};
    if (v->type == INFER_TYPE_FLOAT || v->type == INFER_TYPE_DOUBLE)
        return (key){.d = *infer_load_double((infer_type)v->type, v->data, (size_t)i, 1, &chunk)};
    return (key){
        .i = *(const int64_t *)infer_load_wide((infer_type)v->type, v->data, (size_t)i, 1, &chunk)};
}

/* ---- loading: from the attributes of any version to sorted keys and their values ---- */

typedef struct pair {
    key key;
    int64_t index; /* where it stood; decides between equal keys */
} pair;

#define COMPARE_PAIRS(name, field, compare)                                                        \
    static int name(const void *x, const void *y) {                                                \
        const pair *a = x, *b = y;                                                                 \
        int order = compare(a->key.field, b->key.field);                                           \
        return order ? order : compare_int(a->index, b->index);                                    \
    }
COMPARE_PAIRS(by_int, i, compare_int)
COMPARE_PAIRS(by_double, d, compare_double)
COMPARE_PAIRS(by_text, s, compare_text)

static bool same_key(uint8_t type, const key *a, const key *b) {
    return type == INFER_TYPE_STRING                               ? compare_text(a->s, b->s) == 0
           : type == INFER_TYPE_FLOAT || type == INFER_TYPE_DOUBLE ? compare_double(a->d, b->d) == 0
                                                                   : a->i == b->i;
}

static infer_status set_list(infer_rewriter *rw, const char *name, const infer_view *list) {
    infer_attr attr = {.name = name, .type = INFER_ATTR_TENSOR, .tensor = *list};
    return rw->set_attr(rw, &attr);
}

static void copy_element(const infer_view *from, int64_t i, infer_view *to, int64_t at) {
    size_t size = infer_type_size((infer_type)from->type);
    memcpy((char *)to->data + (size_t)at * size, (const char *)from->data + (size_t)i * size, size);
}

/* Sorts in the memory given: n pairs, n keys, n values. Of equal keys the first or the last counts.
 */
static infer_status sort_lists(infer_rewriter *rw, const infer_view *keys, const infer_view *values,
                               bool last, char *memory) {
    int64_t n = infer_view_count(keys), count = 0;
    pair *pairs = (pair *)memory;
    infer_view k = *keys, v = *values;
    k.data = memory + (size_t)n * sizeof *pairs;
    v.data = (char *)k.data + (size_t)n * sizeof(infer_string);
    k.rank = v.rank = 1;
    for (int64_t i = 0; i < n; i++)
        pairs[i] = (pair){read_key(keys, i), i};
    bool text = keys->type == INFER_TYPE_STRING;
    bool floats = keys->type == INFER_TYPE_FLOAT || keys->type == INFER_TYPE_DOUBLE;
    if (n > 0)
        qsort(pairs, (size_t)n, sizeof *pairs, text ? by_text : floats ? by_double : by_int);
    for (int64_t i = 0; i < n; i++) {
        int64_t neighbour = last ? i + 1 : i - 1;
        if (neighbour >= 0 && neighbour < n &&
            same_key(keys->type, &pairs[i].key, &pairs[neighbour].key))
            continue;
        copy_element(keys, pairs[i].index, &k, count);
        copy_element(values, pairs[i].index, &v, count++);
    }
    k.dim[0] = v.dim[0] = count;
    INFER_TRY(set_list(rw, "keys_tensor", &k));
    return set_list(rw, "values_tensor", &v);
}

static infer_status set_lists(infer_rewriter *rw, const infer_view *keys, const infer_view *values,
                              bool last) {
    int64_t n = infer_view_count(keys);
    if (n != infer_view_count(values))
        return infer_fail(INFER_ERROR_FORMAT, "%lld keys for %lld values", (long long)n,
                          (long long)infer_view_count(values));
    size_t size = (size_t)n * (sizeof(pair) + 2 * sizeof(infer_string));
    char *memory = rw->alloc(rw, size);
    return memory ? sort_lists(rw, keys, values, last, memory) : rw->failed;
}

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
    return set_list(rw, "default_tensor", &one);
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
    infer_view text = {.type = INFER_TYPE_STRING, .rank = 1, .data = (void *)classes->data};
    infer_view numbers = {.type = INFER_TYPE_INT64, .rank = 1};
    text.dim[0] = numbers.dim[0] = (int64_t)classes->count;
    size_t size = classes->count * sizeof(int64_t);
    int64_t *number = numbers.data = rw->alloc(rw, size);
    if (!number)
        return rw->failed;
    for (size_t i = 0; i < classes->count; i++)
        number[i] = (int64_t)i;
    bool encode = rw->view(rw, rw->input(rw, 0))->type == INFER_TYPE_STRING;
    INFER_TRY(set_default(rw, encode ? INFER_TYPE_INT64 : INFER_TYPE_STRING));
    return encode ? set_lists(rw, &text, &numbers, true) : set_lists(rw, &numbers, &text, true);
}

/* Names of later versions are not looked at, and refused with all that nobody knows. */
static infer_status refuse(infer_rewriter *rw, const char *name) {
    return rw->attr(rw, name)
               ? infer_fail(INFER_ERROR_FORMAT, "version %d has no attribute %s", rw->version, name)
               : INFER_OK;
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
    if (rw->version < 2) {
        INFER_TRY(set_classes(rw));
    } else {
        infer_view keys, values;
        INFER_TRY(refuse(rw, "classes_strings"));
        INFER_TRY(find_list(rw, true, &keys));
        INFER_TRY(find_list(rw, false, &values));
        INFER_TRY(set_default(rw, values.type));
        /* onnxruntime kept the first of equal keys; version 4 defines that the last one counts. */
        INFER_TRY(set_lists(rw, &keys, &values, rw->version >= 4));
    }
    drop_old_names(rw);
    return INFER_OK;
}

/* ---- looking up ---- */

static infer_status label_infer(infer_op_env *env) {
    const label_params *p = env->params;
    uint32_t type = p->values_tensor.type;
    bool fits = type < 32 && T_LABEL >> type & 1 && p->keys_tensor.type == env->in[0]->type &&
                p->keys_tensor.count == p->values_tensor.count && p->default_tensor.count == 1 &&
                p->default_tensor.type == type;
    if (!fits)
        return infer_fail(INFER_ERROR_TYPE, "keys of type %s for an input of type %s",
                          infer_type_name((infer_type)p->keys_tensor.type),
                          infer_type_name((infer_type)env->in[0]->type));
    return infer_ml_like(env, type);
}

/* The first key that is not smaller, as far as the keys are sorted. */
#define FIND(name, ctype, KEY, compare)                                                            \
    static bool name(const infer_op_env *env, const infer_list *list, const void *keys,            \
                     ctype want, uint64_t *place) {                                                \
        uint64_t low = 0, high = list->count;                                                      \
        (void)env, (void)keys;                                                                     \
        while (low < high) {                                                                       \
            uint64_t middle = low + (high - low) / 2;                                              \
            if (compare(KEY(middle), want) < 0)                                                    \
                low = middle + 1;                                                                  \
            else                                                                                   \
                high = middle;                                                                     \
        }                                                                                          \
        *place = low;                                                                              \
        return low < list->count && compare(KEY(low), want) == 0;                                  \
    }
#define KEY_INT16(i)  ((const int16_t *)keys)[i]
#define KEY_INT32(i)  ((const int32_t *)keys)[i]
#define KEY_INT64(i)  ((const int64_t *)keys)[i]
#define KEY_FLOAT(i)  (double)((const float *)keys)[i]
#define KEY_DOUBLE(i) ((const double *)keys)[i]
#define KEY_TEXT(i)   infer_list_string(env, list, i)
FIND(find_int16, int64_t, KEY_INT16, compare_int)
FIND(find_int32, int64_t, KEY_INT32, compare_int)
FIND(find_int64, int64_t, KEY_INT64, compare_int)
FIND(find_float, double, KEY_FLOAT, compare_double)
FIND(find_double, double, KEY_DOUBLE, compare_double)
FIND(find_text, infer_string, KEY_TEXT, compare_text)

static bool find(const infer_op_env *env, const infer_list *list, const void *keys,
                 const infer_view *x, int64_t i, uint64_t *place) {
    key want = read_key(x, i);
    switch (x->type) {
    case INFER_TYPE_STRING:
        return find_text(env, list, keys, want.s, place);
    case INFER_TYPE_FLOAT:
        return find_float(env, list, keys, want.d, place);
    case INFER_TYPE_DOUBLE:
        return find_double(env, list, keys, want.d, place);
    case INFER_TYPE_INT16:
        return find_int16(env, list, keys, want.i, place);
    case INFER_TYPE_INT32:
        return find_int32(env, list, keys, want.i, place);
    default:
        return find_int64(env, list, keys, want.i, place);
    }
}

static infer_status label_run(infer_op_env *env) {
    const label_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    bool text = y->type == INFER_TYPE_STRING, key_text = x->type == INFER_TYPE_STRING;
    const void *keys = key_text ? NULL : infer_list_data(env, &p->keys_tensor);
    const char *values = text ? NULL : infer_list_data(env, &p->values_tensor);
    const char *missing = text ? NULL : infer_list_data(env, &p->default_tensor);
    int64_t n = infer_view_count(x);
    size_t size = infer_type_size((infer_type)y->type);
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = 0;
        bool found = find(env, &p->keys_tensor, keys, x, i, &at);
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
    .types = {T_LABEL},
    .upgrade = label_upgrade,
    .infer = label_infer,
    .run = label_run,
};
