/* Keys looked up among keys.
 *
 * Loading sorts the keys, so that a lookup is a binary search: over keys that a forged image left
 * unsorted it finds less, and that is all. */
#include "ml_keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

int infer_ml_compare_text(infer_string a, infer_string b) {
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
COMPARE_PAIRS(by_text, s, infer_ml_compare_text)

static bool same_key(uint8_t type, const key *a, const key *b) {
    return type == INFER_TYPE_STRING ? infer_ml_compare_text(a->s, b->s) == 0
           : type == INFER_TYPE_FLOAT || type == INFER_TYPE_DOUBLE ? compare_double(a->d, b->d) == 0
                                                                   : a->i == b->i;
}

infer_status infer_ml_set_list(infer_rewriter *rw, const char *name, const infer_view *list) {
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
    INFER_TRY(infer_ml_set_list(rw, "keys_tensor", &k));
    return infer_ml_set_list(rw, "values_tensor", &v);
}

infer_status infer_ml_set_keys(infer_rewriter *rw, const infer_view *keys, const infer_view *values,
                               bool last) {
    int64_t n = infer_view_count(keys);
    if (n != infer_view_count(values))
        return infer_fail(INFER_ERROR_FORMAT, "%lld keys for %lld values", (long long)n,
                          (long long)infer_view_count(values));
    size_t size = (size_t)n * (sizeof(pair) + 2 * sizeof(infer_string));
    char *memory = rw->alloc(rw, size);
    return memory ? sort_lists(rw, keys, values, last, memory) : rw->failed;
}

infer_status infer_ml_set_positions(infer_rewriter *rw, const infer_view *keys, bool last) {
    int64_t n = infer_view_count(keys);
    infer_view positions = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {n}};
    int64_t *position = positions.data = rw->alloc(rw, (size_t)n * sizeof *position);
    if (!position)
        return rw->failed;
    for (int64_t i = 0; i < n; i++)
        position[i] = i;
    return infer_ml_set_keys(rw, keys, &positions, last);
}

infer_status infer_ml_take_list(infer_rewriter *rw, const char *ints, const char *strings,
                                infer_view *list) {
    const infer_attr *whole = rw->attr(rw, ints), *text = rw->attr(rw, strings);
    const infer_attr *given = whole ? whole : text;
    if (!given || (whole && text))
        return infer_fail(INFER_ERROR_FORMAT, "one of %s and %s must be set", ints, strings);
    if (given->type != (whole ? INFER_ATTR_INTS : INFER_ATTR_STRINGS))
        return infer_fail(INFER_ERROR_FORMAT, "%s is of the wrong kind", given->name);
    *list = (infer_view){.type = whole ? INFER_TYPE_INT64 : INFER_TYPE_STRING,
                         .rank = 1,
                         .dim = {(int64_t)given->count},
                         .data = (void *)given->data};
    rw->drop_attr(rw, given->name);
    return INFER_OK;
}

/* ---- looking up ---- */

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
FIND(find_text, infer_string, KEY_TEXT, infer_ml_compare_text)

bool infer_ml_find(const infer_op_env *env, const infer_list *list, const infer_view *x, int64_t i,
                   uint64_t *place) {
    const void *keys = infer_list_data(env, list);
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

infer_status infer_ml_map(const infer_view *map, const infer_view **keys,
                          const infer_view **values) {
    const infer_view *half = map->data;
    bool fits = map->kind == INFER_KIND_MAP && half[0].kind == INFER_KIND_TENSOR &&
                half[1].kind == INFER_KIND_TENSOR && half[0].type == map->type &&
                half[1].type == map->value_type &&
                infer_view_count(&half[0]) == infer_view_count(&half[1]);
    *keys = &half[0];
    *values = &half[1];
    return fits ? INFER_OK : infer_fail(INFER_ERROR_TYPE, "keys and values make no map");
}
