/* What operators with bodies share. */
#ifndef INFER_OPS_CONTROL_H
#define INFER_OPS_CONTROL_H

#include "op.h"
#include "status.h"

/* Extents in which view differs from other become unknown. */
void infer_merge_shape(infer_view *view, const infer_view *other);

/* The number of a node's inputs in front of those that its bodies capture. */
infer_status infer_body_formal(const infer_op_env *env, const infer_body *bodies, uint32_t count,
                               uint32_t *formal);

#endif
