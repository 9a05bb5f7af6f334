/* GatherBlockQuantized: rows of a table of quantized numbers, which are real ones from there on. */
#include "axes.h"
#include "ms.h"

typedef struct gather_params {
    int64_t bits, block_size, quantize_axis, gather_axis;
} gather_params;

static const infer_op_attr gather_attrs[] = {
    A_INT(gather_params, bits, 4), A_INT(gather_params, block_size, 128),
    A_INT(gather_params, quantize_axis, 1), A_INT(gather_params, gather_axis, 0)};

enum { DATA, INDICES, SCALES, ZEROS };

static uint32_t on_axis(infer_rewriter *rw, const char *op, const uint32_t *in, uint32_t count,
                        int64_t axis) {
    const infer_attr attr = {.name = "axis", .type = INFER_ATTR_INT, .i = axis};
    return rw->add(rw, "", op, in, count, &attr, 1);
}

/* Bytes as the numbers that lie in each, the lowest bits first, along the last axis of `rank`. */
static uint32_t apart(infer_rewriter *rw, uint32_t x, int64_t bits, int32_t rank) {
    const infer_attr right = {
        .name = "direction", .type = INFER_ATTR_STRING, .data = "RIGHT", .count = 5};
    const int64_t last[] = {-1};
    int64_t shape[INFER_MAX_RANK] = {0};
    uint32_t parts[8];
    if (bits == 8)
        return x;
    for (int64_t i = 0; i < 8 / bits; i++) {
        const uint8_t shift = (uint8_t)(i * bits), mask = (uint8_t)((1 << bits) - 1);
        const infer_view by = {.type = INFER_TYPE_UINT8, .data = (void *)(intptr_t)&shift};
        const infer_view low = {.type = INFER_TYPE_UINT8, .data = (void *)(intptr_t)&mask};
        const uint32_t in[] = {x, rw->constant(rw, &by)};
        const uint32_t moved = rw->add(rw, "", "BitShift", in, 2, &right, 1);
        parts[i] =
            ms_node(rw, "Unsqueeze", ms_node(rw, "BitwiseAnd", moved, rw->constant(rw, &low)),
                    ms_list(rw, last, 1));
    }
    shape[rank - 1] = -1;
    return ms_node(rw, "Reshape", on_axis(rw, "Concat", parts, (uint32_t)(8 / bits), -1),
                   ms_list(rw, shape, (size_t)rank));
}

/* Zero points with the shape of the scales. */
static uint32_t zeros_of(infer_rewriter *rw, const gather_params *p, uint32_t scales, int32_t axis,
                         int32_t rank) {
    static const char cut[] = "s = Shape<start=-1>(scales)\n"
                              "@0 = Slice(x, [0], s, [-1])\n";
    static const char spread[] = "s = Shape(scales)\n"
                                 "@0 = Expand(x, s)\n";
    const bool packed = rw->view(rw, rw->input(rw, DATA))->type == INFER_TYPE_UINT8;
    const uint8_t middle = (uint8_t)(1u << (p->bits - 1));
    const infer_view none = {.type = INFER_TYPE_UINT8, .data = (void *)(intptr_t)&middle};
    infer_named names[] = {{"scales", scales}, {"x", INFER_NO_VALUE}};
    if (ms_has(rw, ZEROS)) {
        const uint32_t in[] = {rw->input(rw, ZEROS), rw->input(rw, INDICES)};
        names[1].value = on_axis(rw, "Gather", in, 2, axis);
        if (!packed || p->bits == 8)
            return names[1].value;
        names[1].value = apart(rw, names[1].value, p->bits, rank);
        return ms_text(rw, cut, names, 2);
    }
    if (!packed)
        return INFER_NO_VALUE;
    names[1].value = rw->constant(rw, &none);
    return ms_text(rw, spread, names, 2);
}

static infer_status gather_upgrade(infer_rewriter *rw) {
    const gather_params *p = rw->params;
    const infer_view *data = rw->view(rw, rw->input(rw, DATA));
    const int32_t indices = rw->view(rw, rw->input(rw, INDICES))->rank;
    const bool packed = data->type == INFER_TYPE_UINT8;
    int32_t from = 0, along = 0;
    if (data->rank < 1 || indices < 0 || data->rank + indices > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "the model does not tell the ranks of inputs");
    INFER_TRY(infer_axis(p->gather_axis, data->rank, &from));
    INFER_TRY(infer_axis(p->quantize_axis, data->rank, &along));
    if (from == along || (packed && from != 0))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "gather_axis %d with quantize_axis %d",
                          (int)from, (int)along);
    if ((p->bits != 2 && p->bits != 4 && p->bits != 8) || p->block_size < 16)
        return infer_fail(INFER_ERROR_VALUE, "%lld bits in blocks of %lld", (long long)p->bits,
                          (long long)p->block_size);
    const int32_t rank = data->rank + indices - 1;
    const uint32_t rows[] = {rw->input(rw, DATA), rw->input(rw, INDICES)};
    const uint32_t sizes[] = {rw->input(rw, SCALES), rows[1]};
    uint32_t in[3] = {on_axis(rw, "Gather", rows, 2, from), on_axis(rw, "Gather", sizes, 2, from)};
    if (packed)
        in[0] = apart(rw, in[0], p->bits, rank);
    in[2] = zeros_of(rw, p, in[1], from, rank);
    const infer_attr attrs[] = {
        {.name = "axis", .type = INFER_ATTR_INT, .i = along > from ? along + indices - 1 : along},
        {.name = "block_size", .type = INFER_ATTR_INT, .i = p->block_size}};
    return rw->replace(rw, 0, rw->add(rw, "", "DequantizeLinear", in, 3, attrs, 2));
}

const infer_op infer_op_ms_gather_block_quantized = {
    MS_EXPANDED("GatherBlockQuantized", 3, 4, 1, 1, gather_upgrade),
    .types = {T(UINT8) | T(INT4) | T(UINT4), T_INDEX, T_REAL, T_SAME},
    .params_size = sizeof(gather_params),
    MS_ATTRS(gather_attrs),
};
