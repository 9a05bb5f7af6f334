/* Moving elements by their size, whatever they are. */
#ifndef INFER_OPS_MOVEMENT_H
#define INFER_OPS_MOVEMENT_H

#include <stddef.h>
#include <stdint.h>

/* Fills dst, contiguous with extents dim[rank], from elements of size bytes at src whose axes lie
 * stride[] bytes apart (0 and negative strides are fine). The two may not overlap. */
void infer_copy_strided(void *dst, const void *src, int32_t rank, const int64_t *dim,
                        const int64_t *stride, size_t size);

/* A matrix turned: column j of rows elements, contiguous at `from`, becomes what is element j of
 * each row at `to`; columns and rows lie so many bytes apart. */
void infer_turn(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step, size_t rows,
                size_t columns, size_t size);

/* n pieces of size bytes, to_step and from_step bytes apart. */
void infer_copy_pieces(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step, size_t n,
                       size_t size);

/* n copies of the element of size bytes at from, which may be at `to` itself. */
void infer_fill(void *to, const void *from, size_t n, size_t size);

#endif
