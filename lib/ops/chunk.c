/* A few elements at a time in one of the types that loops compute in. */
#include "chunk.h"

#include "infer.h"

/* The C integer type that holds an integer, boolean or sub-byte type. */
static infer_type held_as(infer_type type) {
    return type == INFER_TYPE_BOOL ? INFER_TYPE_UINT8 : infer_compute_type(type);
}

infer_type infer_wide_type(infer_type type) {
    switch (infer_type_kind(type)) {
    case INFER_CLASS_FLOATING:
        return type == INFER_TYPE_DOUBLE ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT;
    case INFER_CLASS_SIGNED:
        return INFER_TYPE_INT64;
    default:
        return INFER_TYPE_UINT64;
    }
}

static const void *place(infer_type type, const void *data, size_t at) {
    return (const char *)data + at * infer_type_size(type);
}

/* Cases for a switch over the held type: elements at p go to `to`, converted. */
#define LOAD_CASE(suffix, ctype)                                                                   \
    case INFER_TYPE_##suffix:                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            to[i] = (LOAD_AS)((const ctype *)p)[i];                                                \
        break;

const void *infer_load_wide(infer_type type, const void *data, size_t at, size_t n,
                            infer_chunk *chunk) {
    const void *p = place(type, data, at);
    infer_type wide = infer_wide_type(type);
    if (wide == type)
        return p;
    if (wide == INFER_TYPE_FLOAT) {
        infer_widen(type, p, chunk->f, n);
        return chunk;
    }
#define LOAD_AS uint64_t
    uint64_t *to = chunk->u; /* a signed value's bits are those of its sign extension */
    switch (held_as(type)) {
        INFER_INTEGER_TYPES(LOAD_CASE)
    default:
        break;
    }
#undef LOAD_AS
    return chunk;
}

const double *infer_load_double(infer_type type, const void *data, size_t at, size_t n,
                                infer_chunk *chunk) {
    const void *p = place(type, data, at);
    infer_type held = held_as(type);
    if (type == INFER_TYPE_DOUBLE)
        return p;
    if (infer_wide_type(type) == INFER_TYPE_FLOAT && type != INFER_TYPE_FLOAT) {
        infer_chunk narrow;
        infer_widen(type, p, narrow.f, n);
        for (size_t i = 0; i < n; i++)
            chunk->d[i] = narrow.f[i];
        return chunk->d;
    }
#define LOAD_AS double
    double *to = chunk->d;
    switch (held) {
        INFER_NUMERIC_TYPES(LOAD_CASE)
    default:
        break;
    }
#undef LOAD_AS
    return chunk->d;
}

const float *infer_load_float(infer_type type, const void *data, size_t at, size_t n,
                              infer_chunk *chunk) {
    const void *p = place(type, data, at);
    if (type == INFER_TYPE_FLOAT)
        return p;
    if (infer_wide_type(type) == INFER_TYPE_FLOAT) {
        infer_widen(type, p, chunk->f, n);
        return chunk->f;
    }
#define LOAD_AS float
    float *to = chunk->f;
    switch (held_as(type)) {
        INFER_NUMERIC_TYPES(LOAD_CASE)
    default:
        break;
    }
#undef LOAD_AS
    return chunk->f;
}

#define STORE_CASE(suffix, ctype)                                                                  \
    case INFER_TYPE_##suffix:                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            ((ctype *)p)[i] = (ctype)from[i];                                                      \
        break;

void infer_store_double(infer_type type, const double *from, void *data, size_t at, size_t n) {
    void *p = (char *)data + at * infer_type_size(type);
    switch (type) {
        INFER_FLOAT_TYPES(STORE_CASE)
    default:
        for (size_t i = 0; i < n; i += INFER_CHUNK) {
            infer_chunk narrow;
            size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
            for (size_t j = 0; j < m; j++)
                narrow.f[j] = (float)from[i + j];
            infer_narrow(type, narrow.f, (char *)p + i * infer_type_size(type), m, false);
        }
    }
}

void infer_store_int(infer_type type, const int64_t *from, void *data, size_t at, size_t n) {
    void *p = (char *)data + at * infer_type_size(type);
    switch (held_as(type)) {
        INFER_INTEGER_TYPES(STORE_CASE)
    default:
        break;
    }
}
