/* Pools over planes that are taken row by row: each row of taps at once, whole vectors of them. */
#ifndef INFER_OPS_POOL_ROWS_H
#define INFER_OPS_POOL_ROWS_H

#include "window.h"

/* Adds what the scratch needs where x, whose window is known, can be pooled so: the largest of
 * bytes or floats, if nobody asks where they are, or the mean of floats. */
infer_status infer_pool_rows_plan(infer_op_env *env, const infer_window *w, bool average);

/* Pools x; false where it is no such. */
bool infer_pool_rows_run(infer_op_env *env, const infer_window *w, bool average, bool with_padding);

#endif
