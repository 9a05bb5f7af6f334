/* What the tiers of products in bfloat16 share: how much they work on at once. */
#ifndef INFER_KERNELS_HALF_H
#define INFER_KERNELS_HALF_H

/* Rows of A that are rounded at a time, and how many of k: with two panels they take an eighth of a
 * second cache of 2 MB, and the panels most of a first one. k is cut alike whatever the rows. */
#define INFER_HALF_ROWS 256
#define INFER_HALF_K    512

/* Bytes of scratch: these rows and two panels. */
#define INFER_HALF_SCRATCH (((size_t)INFER_HALF_ROWS + 2 * INFER_PANEL) * INFER_HALF_K * 2)

#endif
