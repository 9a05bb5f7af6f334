/* Products of 8-bit numbers: shifts, sums and sizes. */
#include "bytes.h"

#include "checked.h"
#include "pack.h"

#include <stdlib.h>
#include <string.h>

void infer_flip_bytes(const uint8_t *from, size_t n, uint8_t flip, uint8_t *to) {
    const uint64_t by = flip * UINT64_C(0x0101010101010101);
    uint64_t word;
    for (; n >= sizeof word; n -= sizeof word, from += sizeof word, to += sizeof word) {
        memcpy(&word, from, sizeof word);
        word ^= by;
        memcpy(to, &word, sizeof word);
    }
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] ^ flip;
}

uint32_t infer_sum_bytes(const uint8_t *from, size_t n) {
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    uint32_t sum = 0;
    while (n >= 8) {
        uint64_t four = 0, word; /* of 16 bits each */
        for (int i = 0; i < 128 && n >= 8; i++, n -= 8, from += 8) {
            memcpy(&word, from, sizeof word);
            four += (word & even) + (word >> 8 & even);
        }
        for (; four; four >>= 16)
            sum += (uint32_t)(four & 0xffff);
    }
    for (size_t i = 0; i < n; i++)
        sum += from[i];
    return sum;
}

bool infer_bytes_pack_size(size_t k, size_t n, size_t *packed, size_t *sums) {
    size_t rows;
    return infer_round_up(k, 4, &rows) && infer_round_up(n, INFER_PANEL, sums) &&
           infer_mul(rows, *sums, packed);
}

/* Whether a group of a panel is marked. */
static bool is_marked(const int8_t *b) {
    bool over = false;
    for (int i = 0; i < 4 * INFER_PANEL; i += 2)
        over |= abs(b[i] + b[i + 1]) > 128;
    return over;
}

bool infer_bytes_marked_size(size_t k, size_t n, size_t *packed, size_t *sums) {
    size_t marks;
    return infer_bytes_pack_size(k, n, packed, sums) &&
           infer_mul(*sums / INFER_PANEL, infer_mark_words(k) * sizeof(uint64_t), &marks) &&
           infer_add(*packed, marks, packed) && infer_round_up(*packed, 64, packed);
}

const uint64_t *infer_bytes_marks(const int8_t *packed, size_t k, size_t n, size_t j) {
    const size_t panels = (n + INFER_PANEL - 1) / INFER_PANEL, deep = (k + 3) / 4 * 4;
    const void *marks = packed + panels * INFER_PANEL * deep;
    return (const uint64_t *)marks + j / INFER_PANEL * infer_mark_words(k);
}

void infer_bytes_mark(size_t k, size_t n, int8_t *packed) {
    const size_t groups = (k + 3) / 4, words = infer_mark_words(k);
    uint64_t *marks = (uint64_t *)infer_bytes_marks(packed, k, n, 0);
    for (size_t j = 0; j < n; j += INFER_PANEL, marks += words) {
        memset(marks, 0, words * sizeof *marks);
        for (size_t g = 0; g < groups; g++, packed += 4 * INFER_PANEL)
            marks[g / 64] |= (uint64_t)is_marked(packed) << g % 64;
    }
}

void infer_bytes_start(const infer_kernels *k, const int32_t *sums, size_t n, int32_t zero,
                       int32_t *start) {
    n = (n + INFER_PANEL - 1) / INFER_PANEL * INFER_PANEL;
    memset(start, 0, n * sizeof *start);
    k->axpy_i32(n, -(uint32_t)zero, sums, start);
}
