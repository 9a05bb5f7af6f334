/* Places in one block of memory for pieces that are needed for a time. */
#ifndef INFER_EXEC_PLACES_H
#define INFER_EXEC_PLACES_H

#include "alloc.h"

/* Needed from step `first` to step `last`, both included. Sizes are multiples of INFER_ALIGN. */
typedef struct infer_piece {
    size_t size, offset;
    uint32_t first, last;
} infer_piece;

typedef struct infer_places {
    size_t end;   /* bytes of the block */
    size_t least; /* what no order of places could do without: the most that is needed at a step */
} infer_places;

/* Gives each piece its offset. The pieces are in the order of their first steps, which lie from
 * `from` on below `to`; the arena lends memory for it. */
infer_status infer_find_places(infer_arena *arena, infer_piece *pieces, size_t count, uint32_t from,
                               uint32_t to, infer_places *places);

#endif
