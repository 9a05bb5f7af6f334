/* Keys looked up among keys: sorted while loading, found by halves. */
#ifndef INFER_OPS_ML_KEYS_H
#define INFER_OPS_ML_KEYS_H

#include "ml.h"

/* ---- loading ---- */

/* Sets a TENSOR attribute. */
infer_status infer_ml_set_list(infer_rewriter *rw, const char *name, const infer_view *list);

/* Sets the attributes keys_tensor, sorted, and values_tensor, each value beside its key. Of equal
 * keys the first or the last counts. */
infer_status infer_ml_set_keys(infer_rewriter *rw, const infer_view *keys, const infer_view *values,
                               bool last);

/* The same for keys whose values are their positions. */
infer_status infer_ml_set_positions(infer_rewriter *rw, const infer_view *keys, bool last);

/* Reads the one list that is there, an INTS attribute or a STRINGS attribute, and takes it away. */
infer_status infer_ml_take_list(infer_rewriter *rw, const char *ints, const char *strings,
                                infer_view *list);

/* ---- running ---- */

/* Orders texts by their bytes. */
int infer_ml_compare_text(infer_string a, infer_string b);

/* Whether element i of x is among the keys, which have its type, and where. */
bool infer_ml_find(const infer_op_env *env, const infer_list *keys, const infer_view *x, int64_t i,
                   uint64_t *place);

/* Keys and values of a map; refuses what is none. */
infer_status infer_ml_map(const infer_view *map, const infer_view **keys,
                          const infer_view **values);

#endif
