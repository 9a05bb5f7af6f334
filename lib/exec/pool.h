/* Threads that share the work of runs. */
#ifndef INFER_EXEC_POOL_H
#define INFER_EXEC_POOL_H

#include "infer.h"
#include "share.h"

/* Runs work for every part, some of them in the pool's threads where nobody else uses it now. Parts
 * run once each; all of them have ended, and what they wrote is seen, when it returns. worker is
 * below infer_pool_threads, 0 in the caller's thread. worth: parts that it could be cut into, which
 * tells whether to wake threads. */
void infer_pool_run(infer_pool *pool, size_t parts, size_t worth, infer_work *work, void *arg);

/* Between these the threads wait awake for a while; outside of all such pairs they sleep. */
void infer_pool_begin(infer_pool *pool);
void infer_pool_end(infer_pool *pool);

#endif
