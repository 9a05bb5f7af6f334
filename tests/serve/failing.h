/* Memory that fails: for programs linked with failing_args of meson.build, whose allocations and
 * parses come here first. Each thread counts its own. */
#ifndef INFER_TESTS_FAILING_H
#define INFER_TESTS_FAILING_H

#include <stdbool.h>
#include <stddef.h>

/* From now on allocation number n, from 0, is refused. */
void failing_from(size_t n);

/* None is any more; whether none was. */
bool failing_ended(void);

#endif
