/* JSON as values of the types that a model takes. */
#include "json_io.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

void *infer_cli_pool_take(infer_cli_pool *pool, size_t count, size_t size) {
    if (pool->count == pool->room) {
        size_t room = pool->room ? 2 * pool->room : 16;
        void **blocks = realloc(pool->blocks, room * sizeof *blocks);
        if (!blocks)
            return NULL;
        pool->blocks = blocks;
        pool->room = room;
    }
    void *block = calloc(count ? count : 1, size);
    if (block)
        pool->blocks[pool->count++] = block;
    return block;
}

void infer_cli_pool_free(infer_cli_pool *pool) {
    for (size_t i = 0; i < pool->count; i++)
        free(pool->blocks[i]);
    free(pool->blocks);
    *pool = (infer_cli_pool){0};
}

/* ---- types ---- */

/* Where a conversion is, for messages. */
typedef struct reader {
    infer_cli_pool *pool;
    char *why;
    size_t why_size;
} reader;

#define REFUSE(r, ...) (snprintf((r)->why, (r)->why_size, __VA_ARGS__), false)

static bool starts(const char **text, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static infer_type element_type(const char *name, char end) {
    const char *stop = strchr(name, end);
    size_t length = stop ? (size_t)(stop - name) : strlen(name);
    for (int type = INFER_TYPE_FLOAT; type <= INFER_TYPE_INT2; type++) {
        const char *known = infer_type_name((infer_type)type);
        if (strlen(known) == length && memcmp(known, name, length) == 0)
            return (infer_type)type;
    }
    return INFER_TYPE_UNDEFINED;
}

/* ---- elements ---- */

bool infer_cli_json_number(const json_t *json, double *number) {
    const char *text = json_string_value(json);
    if (json_is_number(json))
        *number = json_number_value(json);
    else if (text && strcmp(text, "NaN") == 0)
        *number = NAN;
    else if (text && strcmp(text, "Infinity") == 0)
        *number = INFINITY;
    else if (text && strcmp(text, "-Infinity") == 0)
        *number = -INFINITY;
    else
        return false;
    return true;
}

/* To nearest, ties to even, by trying the two neighbours' rule in double arithmetic. */
static uint16_t to_float16(double x) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    x = fabs(x);
    if (isnan(x))
        return 0x7e00;
    if (x >= 65520)
        return (uint16_t)(sign | 0x7c00);
    int exponent;
    frexp(x, &exponent);
    if (exponent < -13)
        exponent = -13;
    /* x in units of its last place; 2048 of them are the next power of two. */
    long units = lrint(ldexp(x, 11 - exponent));
    if (units < 1024)
        return (uint16_t)(sign | units);
    return (uint16_t)(sign | ((exponent + 13) * 1024 + units));
}

static uint16_t to_bfloat16(double x) {
    float number = (float)x;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (isnan(x))
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static const struct {
    infer_type type;
    unsigned bits;
    bool is_signed;
} integers[] = {
    {INFER_TYPE_INT8, 8, true},     {INFER_TYPE_INT16, 16, true},   {INFER_TYPE_INT32, 32, true},
    {INFER_TYPE_INT64, 64, true},   {INFER_TYPE_INT4, 4, true},     {INFER_TYPE_INT2, 2, true},
    {INFER_TYPE_UINT8, 8, false},   {INFER_TYPE_UINT16, 16, false}, {INFER_TYPE_UINT32, 32, false},
    {INFER_TYPE_UINT64, 64, false}, {INFER_TYPE_UINT4, 4, false},   {INFER_TYPE_UINT2, 2, false},
};

/* jansson's integers are int64: the upper half of uint64 is out of reach and refused there. */
static bool put_integer(const json_t *json, infer_type type, char *to) {
    size_t i = 0, count = sizeof integers / sizeof *integers;
    while (i < count && integers[i].type != type)
        i++;
    if (i == count || !json_is_integer(json))
        return false;
    int64_t number = json_integer_value(json);
    if (integers[i].is_signed) {
        int64_t high = INT64_MAX >> (64 - integers[i].bits);
        if (number < -high - 1 || number > high)
            return false;
    } else if (number < 0 || (integers[i].bits < 64 && number >> integers[i].bits)) {
        return false;
    }
    size_t size = infer_type_size(type);
    /* Little-endian machines: the low bytes come first. */
    memcpy(to, &number, size);
    return true;
}

static bool put_element(const json_t *json, infer_type type, char *to) {
    double number;
    switch (type) {
    case INFER_TYPE_STRING:
        if (!json_is_string(json))
            return false;
        *(infer_string *)to = (infer_string){json_string_value(json), json_string_length(json)};
        return true;
    case INFER_TYPE_BOOL:
        *to = json_is_true(json);
        return json_is_boolean(json);
    case INFER_TYPE_FLOAT:
    case INFER_TYPE_DOUBLE:
    case INFER_TYPE_FLOAT16:
    case INFER_TYPE_BFLOAT16:
        if (!infer_cli_json_number(json, &number))
            return false;
        if (type == INFER_TYPE_FLOAT)
            *(float *)to = (float)number;
        else if (type == INFER_TYPE_DOUBLE)
            *(double *)to = number;
        else
            *(uint16_t *)to = type == INFER_TYPE_FLOAT16 ? to_float16(number) : to_bfloat16(number);
        return true;
    default:
        return put_integer(json, type, to);
    }
}

/* ---- values ---- */

/* Fills elements of nested arrays in a row; extents are those of the first element at each depth.
 */
static bool fill(reader *r, const json_t *json, const infer_value *v, uint32_t axis, char **to) {
    if (axis == v->rank) {
        if (!put_element(json, (infer_type)v->type, *to))
            return REFUSE(r, "an element is no %s", infer_type_name((infer_type)v->type));
        *to += infer_type_size((infer_type)v->type);
        return true;
    }
    if (!json_is_array(json) || json_array_size(json) != (size_t)v->shape[axis])
        return REFUSE(r, "rows differ in length or depth");
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!fill(r, json_array_get(json, i), v, axis + 1, to))
            return false;
    return true;
}

static bool read_tensor(reader *r, const json_t *json, infer_type type, infer_value *v) {
    size_t size = infer_type_size(type), count = 1;
    int64_t *shape = infer_cli_pool_take(r->pool, INFER_MAX_RANK, sizeof *shape);
    if (!size || !shape)
        return REFUSE(r, "%s", size ? "no memory is left" : "its element type is unknown");
    *v = (infer_value){.kind = INFER_KIND_TENSOR, .type = type, .shape = shape};
    for (const json_t *row = json; json_is_array(row); row = json_array_get(row, 0)) {
        if (v->rank == INFER_MAX_RANK)
            return REFUSE(r, "arrays are nested deeper than %d", INFER_MAX_RANK);
        shape[v->rank++] = (int64_t)json_array_size(row);
        if (json_array_size(row) && count > SIZE_MAX / size / json_array_size(row))
            return REFUSE(r, "the tensor does not fit memory");
        count *= json_array_size(row);
    }
    char *to = v->data = infer_cli_pool_take(r->pool, count, size);
    v->count = count;
    return to ? fill(r, json, v, 0, &to) : REFUSE(r, "no memory is left");
}

static bool read_value(reader *r, const json_t *json, const char *type, infer_value *v);

static bool read_members(reader *r, const json_t *json, const char *type, infer_value *v) {
    if (!json_is_array(json))
        return REFUSE(r, "a sequence is an array");
    infer_value *members = infer_cli_pool_take(r->pool, json_array_size(json), sizeof *members);
    *v =
        (infer_value){.kind = INFER_KIND_SEQUENCE, .data = members, .count = json_array_size(json)};
    if (!members)
        return REFUSE(r, "no memory is left");
    for (size_t i = 0; i < v->count; i++)
        if (!read_value(r, json_array_get(json, i), type, &members[i]))
            return false;
    return true;
}

/* Keys of integers are written as strings in JSON. */
static bool read_key(const char *key, infer_type type, char *to) {
    if (type == INFER_TYPE_STRING) {
        *(infer_string *)to = (infer_string){key, strlen(key)};
        return true;
    }
    json_t *number = json_loads(key, JSON_DECODE_ANY, NULL);
    bool good = put_integer(number, type, to);
    json_decref(number);
    return good;
}

static bool read_map(reader *r, const json_t *json, const char *type, infer_value *v) {
    const char *inner = strchr(type, ',');
    infer_type key_type = element_type(type, ',');
    if (!json_is_object(json) || !inner || !key_type)
        return REFUSE(r, "a map is an object");
    size_t count = json_object_size(json), size = infer_type_size(key_type), i = 0;
    infer_value *two = infer_cli_pool_take(r->pool, 2, sizeof *two);
    int64_t *shape = infer_cli_pool_take(r->pool, 1, sizeof *shape);
    char *keys = infer_cli_pool_take(r->pool, count, size);
    json_t *values = json_array(), *item;
    const char *key;
    if (!two || !shape || !keys || !values) {
        json_decref(values);
        return REFUSE(r, "no memory is left");
    }
    shape[0] = (int64_t)count;
    two[0] =
        (infer_value){.type = key_type, .rank = 1, .shape = shape, .data = keys, .count = count};
    *v = (infer_value){.kind = INFER_KIND_MAP, .type = key_type, .data = two, .count = 2};
    bool good = true;
    json_object_foreach((json_t *)json, key, item) {
        good = good && read_key(key, key_type, keys + i++ * size);
        json_array_append(values, item);
    }
    /* The items stay the object's: strings in them outlive the array that is made here. */
    inner++;
    const char *element = inner;
    bool scalars = starts(&element, "tensor(") && !json_is_array(json_array_get(values, 0));
    if (!good)
        good = REFUSE(r, "a key is no %s", infer_type_name(key_type));
    else
        good = scalars ? read_tensor(r, values, element_type(element, ')'), &two[1])
                       : read_members(r, values, inner, &two[1]);
    json_decref(values);
    return good;
}

static bool read_optional(reader *r, const json_t *json, const char *type, infer_value *v) {
    infer_value *member = infer_cli_pool_take(r->pool, 1, sizeof *member);
    *v = (infer_value){.kind = INFER_KIND_OPTIONAL, .data = member, .count = !json_is_null(json)};
    if (!member)
        return REFUSE(r, "no memory is left");
    return json_is_null(json) || read_value(r, json, type, member);
}

/* Types nest as deeply as the model's, which the loader bounds. */
static bool read_value(reader *r, const json_t *json, const char *type, infer_value *v) {
    if (starts(&type, "tensor("))
        return read_tensor(r, json, element_type(type, ')'), v);
    if (starts(&type, "seq("))
        return read_members(r, json, type, v);
    if (starts(&type, "map("))
        return read_map(r, json, type, v);
    if (starts(&type, "optional("))
        return read_optional(r, json, type, v);
    return REFUSE(r, "%s cannot be read from JSON", type);
}

bool infer_cli_json_value(infer_cli_pool *pool, const json_t *json, const char *type_string,
                          infer_value *value, char *why, size_t why_size) {
    return read_value(&(reader){pool, why, why_size}, json, type_string, value);
}
