/* Packing into panels. */
#include "pack.h"

#include "checked.h"
#include "kernels.h"

#include <string.h>

bool infer_pack_size(size_t k, size_t n, size_t *elements) {
    size_t columns;
    return infer_round_up(n, INFER_PANEL, &columns) && infer_mul(k, columns, elements);
}

#define PACK(T, S)                                                                                 \
    void infer_pack_b_##S(size_t k, size_t n, const infer_loose_##S *b, size_t ldb, bool trans,    \
                          T *packed) {                                                             \
        size_t row = trans ? 1 : ldb, column = trans ? ldb : 1;                                    \
        for (size_t j = 0; j < n; j += INFER_PANEL)                                                \
            for (size_t i = 0; i < k; i++, packed += INFER_PANEL)                                  \
                if (column == 1 && n - j >= INFER_PANEL)                                           \
                    memcpy(packed, b + i * row + j, INFER_PANEL * sizeof(T));                      \
                else                                                                               \
                    for (size_t q = 0; q < INFER_PANEL; q++)                                       \
                        packed[q] = q < n - j ? b[i * row + (j + q) * column] : 0;                 \
    }
PACK(float, f32)
PACK(double, f64)
