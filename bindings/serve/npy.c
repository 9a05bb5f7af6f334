/* Arrays in NumPy's .npy format, versions 1 to 3, as rows or as the graph's single input. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kinds.h"

#define FAIL(...) (infer_serve_fail(error, 400, __VA_ARGS__), false)

static const char magic[] = "\x93NUMPY";

bool infer_serve_is_npy(const infer_serve_body *body) {
    return body->size >= sizeof magic - 1 && memcmp(body->data, magic, sizeof magic - 1) == 0;
}

/* An array as the file has it. */
typedef struct array {
    char kind;    /* of NumPy: b, i, u, f */
    size_t width; /* bytes of an element */
    bool swapped, fortran;
    uint32_t rank;
    int64_t shape[INFER_MAX_RANK];
    size_t count;
    const unsigned char *data;
} array;

/* ---- the header ---- */

/* The text behind 'key': in the header's dictionary, NULL where it is missing. */
static const char *find(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " \t");
    return *at == ':' ? at + 1 + strspn(at + 1, " \t") : NULL;
}

static bool read_type(const char *text, array *a) {
    static const char *const known[] = {"b1", "i1", "i2", "i4", "i8", "u1",
                                        "u2", "u4", "u8", "f2", "f4", "f8"};
    if ((*text != '\'' && *text != '"') || !text[1] || !strchr("<>|=", text[1]))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(text + 2, known[i], 2) == 0 && text[4] == *text) {
            a->kind = text[2];
            a->width = (size_t)(text[3] - '0');
            a->swapped = text[1] == '>';
            return true;
        }
    return false;
}

static bool read_shape(const char *text, array *a) {
    if (*text++ != '(')
        return false;
    a->count = 1;
    for (;;) {
        text += strspn(text, " \t");
        if (*text == ')')
            return true;
        char *end;
        unsigned long long extent = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || a->rank == INFER_MAX_RANK || extent > INT64_MAX ||
            __builtin_mul_overflow(a->count, (size_t)extent, &a->count))
            return false;
        a->shape[a->rank++] = (int64_t)extent;
        text = end + (*end == 'L');
        text += strspn(text, " \t");
        if (*text == ',')
            text++;
        else if (*text != ')')
            return false;
    }
}

static bool read_array(const infer_serve_body *body, array *a, infer_serve_error *error) {
    const unsigned char *bytes = body->data;
    char header[1024];
    if (body->size < 12 || bytes[6] < 1 || bytes[6] > 3)
        return FAIL("the array is not of version 1, 2 or 3 of NumPy's format");
    size_t start = bytes[6] == 1 ? 10 : 12, size = bytes[8] | (size_t)bytes[9] << 8;
    if (start == 12)
        size |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size >= sizeof header || size > body->size - start)
        return FAIL("the array's header is cut or too long");
    memcpy(header, bytes + start, size);
    header[size] = '\0';
    const char *type = find(header, "'descr'"), *order = find(header, "'fortran_order'"),
               *shape = find(header, "'shape'");
    if (!type || !order || !shape)
        return FAIL("the array's header lacks its type, order or shape");
    *a = (array){.data = bytes + start + size, .fortran = strncmp(order, "True", 4) == 0};
    if (!a->fortran && strncmp(order, "False", 5) != 0)
        return FAIL("the array's order is neither True nor False");
    if (!read_type(type, a))
        return FAIL("the array's type is not supported: %.20s", type);
    if (!read_shape(shape, a))
        return FAIL("the array's shape is not a tuple of sizes");
    size_t left = body->size - start - size, need;
    if (__builtin_mul_overflow(a->count, a->width, &need) || need != left)
        return FAIL("the array has %zu bytes of elements, its shape and type another number", left);
    return true;
}

/* ---- elements ---- */

/* Where element number i of the C order lies. */
static size_t place(const array *a, size_t i) {
    size_t at = 0, stride = a->count;
    if (!a->fortran)
        return i;
    for (uint32_t axis = a->rank; axis-- > 0;) {
        size_t extent = (size_t)a->shape[axis];
        stride /= extent;
        at += i % extent * stride;
        i /= extent;
    }
    return at;
}

static uint64_t bits_of(const array *a, size_t i) {
    const unsigned char *bytes = a->data + place(a, i) * a->width;
    uint64_t bits = 0;
    for (size_t k = 0; k < a->width; k++)
        bits |= (uint64_t)bytes[a->swapped ? a->width - 1 - k : k] << (8 * k);
    return bits;
}

static double half(uint64_t bits) {
    int exponent = bits >> 10 & 31;
    double units = (double)(bits & 1023) + (exponent ? 1024 : 0);
    double number = exponent == 31 ? ((bits & 1023) ? (double)NAN : (double)INFINITY)
                                   : ldexp(units, (exponent ? exponent : 1) - 25);
    return bits & 0x8000 ? -number : number;
}

static int64_t integer_of(const array *a, uint64_t bits) {
    int unused = 64 - 8 * (int)a->width;
    return a->kind == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
}

static double number_of(const array *a, size_t i) {
    uint64_t bits = bits_of(a, i);
    uint32_t narrow = (uint32_t)bits;
    float single;
    double real;
    if (a->kind == 'i')
        return (double)integer_of(a, bits);
    if (a->kind != 'f')
        return (double)bits;
    if (a->width == 2)
        return half(bits);
    memcpy(&single, &narrow, sizeof single);
    memcpy(&real, &bits, sizeof real);
    return a->width == 4 ? (double)single : real;
}

/* ---- rows ---- */

static json_t *predict_rows(infer_serve *serve, const array *a, infer_serve_error *error) {
    json_t *answer = NULL;
    double *rows =
        a->count > SIZE_MAX / sizeof *rows ? NULL : malloc((a->count + 1) * sizeof *rows);
    if (!rows)
        return infer_serve_fail(error, 503, "no memory is left");
    for (size_t i = 0; i < a->count; i++) {
        rows[i] = number_of(a, i);
        if (serve->integers && !(fabs(rows[i]) <= 0x1p53 && rows[i] == (double)(int64_t)rows[i]))
            infer_serve_fail(error, 400, "element %zu is not an integer within 53 bits", i);
        if (error->status)
            break;
    }
    if (!error->status)
        answer =
            infer_serve_answer_rows(serve, rows, a->count / serve->features, a->rank == 2, error);
    free(rows);
    return answer;
}

/* ---- tensors ---- */

static const struct {
    char kind;
    size_t width;
    infer_type type;
} types[] = {
    {'b', 1, INFER_TYPE_BOOL},    {'i', 1, INFER_TYPE_INT8},   {'i', 2, INFER_TYPE_INT16},
    {'i', 4, INFER_TYPE_INT32},   {'i', 8, INFER_TYPE_INT64},  {'u', 1, INFER_TYPE_UINT8},
    {'u', 2, INFER_TYPE_UINT16},  {'u', 4, INFER_TYPE_UINT32}, {'u', 8, INFER_TYPE_UINT64},
    {'f', 2, INFER_TYPE_FLOAT16}, {'f', 4, INFER_TYPE_FLOAT},  {'f', 8, INFER_TYPE_DOUBLE},
};

static bool is_same_type(const array *a, infer_type type) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].kind == a->kind && types[i].width == a->width)
            return types[i].type == type;
    return false;
}

/* An element of another type goes the way of JSON, which checks that it fits. */
static bool convert(const array *a, size_t i, infer_type type, void *to, const char **why) {
    uint64_t bits = bits_of(a, i);
    double number = number_of(a, i);
    float single = (float)number;
    if (type == INFER_TYPE_FLOAT || type == INFER_TYPE_DOUBLE) {
        memcpy(to, type == INFER_TYPE_FLOAT ? (const void *)&single : (const void *)&number,
               infer_type_size(type));
        return true;
    }
    if (is_same_type(a, type)) {
        for (size_t k = 0; k < a->width; k++)
            ((unsigned char *)to)[k] = (unsigned char)(bits >> 8 * k);
        *why = "true or false";
        return a->kind != 'b' || bits < 2;
    }
    *why = "of a type that becomes the input's";
    if (a->kind == 'u' && bits > INT64_MAX)
        return false;
    json_t *json = a->kind == 'b'   ? json_boolean(bits)
                   : a->kind == 'f' ? json_real(number)
                                    : json_integer(integer_of(a, bits));
    bool good = json && infer_serve_element_in(json, type, to, why);
    json_decref(json);
    return good;
}

static json_t *predict_tensor(infer_serve *serve, const array *a, infer_serve_error *error) {
    infer_value_info in = {.struct_size = sizeof in};
    json_t *answer = NULL;
    const char *why = "";
    if (infer_model_inputs(serve->model) != 1 ||
        infer_model_input(serve->model, 0, &in) != INFER_OK || in.kind != INFER_KIND_TENSOR ||
        !infer_type_size((infer_type)in.type) || in.type == INFER_TYPE_STRING)
        return infer_serve_fail(error, 400, "the model takes neither such rows nor a single array");
    size_t width = infer_type_size((infer_type)in.type);
    char *data = a->count > SIZE_MAX / 16 ? NULL : malloc((a->count + 1) * width);
    if (!data)
        return infer_serve_fail(error, 503, "no memory is left");
    for (size_t i = 0; i < a->count && !error->status; i++)
        if (!convert(a, i, (infer_type)in.type, data + i * width, &why))
            infer_serve_fail(error, 400, "input \"%.100s\" (%s): element %zu is not %s", in.name,
                             in.type_string, i, why);
    infer_value value = {
        .type = in.type, .rank = a->rank, .shape = a->shape, .data = data, .count = a->count};
    infer_serve_tensors tensors = {&in.name, &value, 1};
    if (!error->status)
        answer = infer_serve_answer_tensors(serve, &tensors, error);
    free(data);
    return answer;
}

json_t *infer_serve_predict_npy(infer_serve *serve, const infer_serve_body *body,
                                infer_serve_error *error) {
    array a;
    if (!infer_serve_is_npy(body))
        return infer_serve_fail(error, 400, "the body is not a NumPy array");
    if (!read_array(body, &a, error))
        return NULL;
    if (a.count > serve->options.max_elements)
        return infer_serve_fail(error, 413, "the array has more than %zu values",
                                serve->options.max_elements);
    if (!a.count)
        return infer_serve_fail(error, 400, "the array has no elements");
    bool is_rows = serve->features && (serve->outputs || serve->label_name) && a.rank &&
                   a.rank <= 2 && (size_t)a.shape[a.rank - 1] == serve->features;
    return is_rows ? predict_rows(serve, &a, error) : predict_tensor(serve, &a, error);
}
