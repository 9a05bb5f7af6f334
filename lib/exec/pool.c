/*
 * A pool of threads: one job at a time, cut into parts that the caller and the threads take from a
 * common ticket.
 *
 * The ticket holds the job's number and how many parts are left. Who takes a part by exchanging it
 * holds the job open, so that its description is read after that alone; a thread that comes late
 * finds no part left, or those of a later job. Which part it is depends on the thread: each has a
 * range of them, and others' only when its own are taken, so that what a thread has in its caches
 * (weights, and what it wrote before) is what it asks for in the next run. Threads wait awake for a
 * while as long as a run is on, and sleep some microseconds after its end. To wake them takes as
 * long as a part, or two: a run does so that follows another at once, as they then stay awake, and
 * one that is worth parts enough. A pool that another run uses leaves the caller with all parts:
 * nobody waits.
 */
#define _POSIX_C_SOURCE 200809L
#include "pool.h"

#include "alloc.h"
#include "clock.h"
#include "processors.h"
#include "status.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define SPINS       4000 /* of some 10 to 40 ns each, before a thread sleeps within a run */
#define IDLE_SPINS  400  /* and outside of one */
#define AT_ONCE_NS  3000 /* less than these take: a run that begins so soon finds threads awake */
#define PARTS_AWAKE 8    /* of a run, that are worth waking threads */

typedef struct worker { /* the first is the caller's, without a thread */
    infer_pool *pool;
    size_t number;
    pthread_t thread;
    _Atomic size_t next; /* part of its range */
    char apart[64];      /* from the next one's cache line */
} worker;

struct infer_pool {
    infer_allocator allocator;
    uint32_t threads;       /* the caller's included */
    uint32_t started;       /* of the others */
    _Atomic unsigned forks; /* of the process, when they were started */
    worker *workers;

    atomic_flag busy;
    _Atomic uint32_t runs;   /* that are on */
    _Atomic uint64_t ended;  /* when the last one did */
    _Atomic size_t had;      /* parts that this run was worth, or enough where it wakes at once */
    _Atomic uint64_t ticket; /* the job's number, then the parts left in 32 bits */
    infer_work *work;
    void *arg;
    size_t parts;
    _Atomic size_t done;

    _Atomic bool ends;
    _Atomic uint32_t sleepers; /* of the workers */
    _Atomic bool caller_sleeps;
    pthread_mutex_t mutex;
    pthread_cond_t job, finished;
};

/* ---- forks ---- */

/* A child has no threads but the one that forked: pools are started again when they are used. */
static _Atomic unsigned forks;
static pthread_once_t watched = PTHREAD_ONCE_INIT;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void) {
    pthread_mutex_lock(&starting);
}

static void after_fork(void) {
    pthread_mutex_unlock(&starting);
}

static void in_child(void) {
    atomic_fetch_add(&forks, 1);
    pthread_mutex_unlock(&starting);
}

static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- parts ---- */

static void pause_a_moment(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* The end of a thread's range of parts, where the next one's begins. */
static size_t range_end(const infer_pool *p, size_t number) {
    return (size_t)((uint64_t)p->parts * (number + 1) / (p->started + 1));
}

/* A part, for one who has taken it from the ticket: there is one for each. */
static size_t pick_part(infer_pool *p, size_t number) {
    for (;; number = number < p->started ? number + 1 : 0) {
        const size_t end = range_end(p, number);
        if (atomic_load(&p->workers[number].next) >= end)
            continue;
        const size_t part = atomic_fetch_add(&p->workers[number].next, 1);
        if (part < end)
            return part;
    }
}

/* Does parts until none is left. */
static void take_parts(infer_pool *p, size_t number) {
    uint64_t ticket = atomic_load(&p->ticket);
    while (ticket & UINT32_MAX) {
        if (!atomic_compare_exchange_weak(&p->ticket, &ticket, ticket - 1))
            continue;
        size_t parts = p->parts;
        p->work(p->arg, pick_part(p, number), number);
        if (atomic_fetch_add(&p->done, 1) + 1 == parts && atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->mutex);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->mutex);
        }
        ticket = atomic_load(&p->ticket);
    }
}

static bool has_parts(infer_pool *p) {
    return (atomic_load(&p->ticket) & UINT32_MAX) || atomic_load(&p->ends);
}

static void await_job(infer_pool *p) {
    for (int i = 0, idle = 0; i < SPINS && idle < IDLE_SPINS; i++) {
        if (has_parts(p))
            return;
        idle = atomic_load_explicit(&p->runs, memory_order_relaxed) ? 0 : idle + 1;
        pause_a_moment();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_parts(p))
        pthread_cond_wait(&p->job, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
}

static void *worker_main(void *argument) {
    worker *w = argument;
    while (!atomic_load(&w->pool->ends)) {
        await_job(w->pool);
        take_parts(w->pool, w->number);
    }
    return NULL;
}

/* ---- starting and ending ---- */

/* All but the caller's thread, with every signal left to others. As many as there can be. */
static void start(infer_pool *p) {
    sigset_t all, before;
    p->started = 0;
    atomic_flag_clear(&p->busy);
    atomic_store(&p->runs, 0);
    atomic_store(&p->ended, 0);
    atomic_store(&p->ticket, 0);
    atomic_store(&p->sleepers, 0);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->job, NULL);
    pthread_cond_init(&p->finished, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 1; i < p->threads; i++) {
        p->workers[i].pool = p;
        p->workers[i].number = i;
        if (pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]) != 0)
            break;
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&p->forks, atomic_load(&forks));
}

infer_status infer_pool_new(uint32_t threads, const infer_allocator *allocator, infer_pool **pool) {
    if (!pool)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_pool_new: pool is NULL");
    *pool = NULL;
    if (allocator && (!allocator->alloc || !allocator->free))
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_pool_new: the allocator lacks a function");
    INFER_TRY(infer_thread_count(threads, &threads));
    const infer_allocator *a = allocator ? allocator : &infer_libc_allocator;
    infer_pool *p = infer_alloc_zero(a, sizeof *p);
    if (!p)
        return INFER_ERROR_MEMORY;
    p->allocator = *a;
    p->threads = threads;
    if (threads > 1 && !(p->workers = infer_alloc_zero(a, threads * sizeof *p->workers))) {
        infer_dealloc(a, p, sizeof *p);
        return INFER_ERROR_MEMORY;
    }
    pthread_once(&watched, watch_forks);
    start(p);
    if (p->started + 1 < threads) {
        infer_status status =
            infer_fail(INFER_ERROR_MEMORY, "only %u of %u threads could be started",
                       (unsigned)p->started + 1, (unsigned)threads);
        infer_pool_free(p);
        return status;
    }
    *pool = p;
    return INFER_OK;
}

void infer_pool_free(infer_pool *p) {
    if (!p)
        return;
    if (atomic_load(&p->forks) == atomic_load(&forks)) {
        pthread_mutex_lock(&p->mutex);
        atomic_store(&p->ends, true);
        pthread_cond_broadcast(&p->job);
        pthread_mutex_unlock(&p->mutex);
        for (uint32_t i = 1; i <= p->started; i++)
            pthread_join(p->workers[i].thread, NULL);
        pthread_cond_destroy(&p->job);
        pthread_cond_destroy(&p->finished);
        pthread_mutex_destroy(&p->mutex);
    }
    infer_allocator a = p->allocator;
    if (p->workers)
        infer_dealloc(&a, p->workers, p->threads * sizeof *p->workers);
    infer_dealloc(&a, p, sizeof *p);
}

uint32_t infer_pool_threads(const infer_pool *p) {
    return p ? p->threads : 1;
}

/* ---- jobs ---- */

void infer_pool_begin(infer_pool *p) {
    if (atomic_load(&p->forks) != atomic_load(&forks)) {
        pthread_mutex_lock(&starting);
        if (atomic_load(&p->forks) != atomic_load(&forks))
            start(p);
        pthread_mutex_unlock(&starting);
    }
    if (atomic_fetch_add(&p->runs, 1) == 0)
        atomic_store(&p->had,
                     infer_now_ns() - atomic_load(&p->ended) < AT_ONCE_NS ? PARTS_AWAKE : 0);
}

void infer_pool_end(infer_pool *p) {
    atomic_store(&p->ended, infer_now_ns());
    atomic_fetch_sub(&p->runs, 1);
}

static void wake_workers(infer_pool *p, size_t worth) {
    if (!atomic_load(&p->sleepers) || atomic_fetch_add(&p->had, worth) + worth < PARTS_AWAKE)
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->job);
    pthread_mutex_unlock(&p->mutex);
}

static void await_end(infer_pool *p) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->done) == p->parts)
            return;
        pause_a_moment();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->done) != p->parts)
        pthread_cond_wait(&p->finished, &p->mutex);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->mutex);
}

void infer_pool_run(infer_pool *p, size_t parts, size_t worth, infer_work *work, void *arg) {
    if (p->started == 0 || parts > UINT32_MAX || atomic_flag_test_and_set(&p->busy)) {
        for (size_t i = 0; i < parts; i++)
            work(arg, i, 0);
        return;
    }
    p->work = work;
    p->arg = arg;
    p->parts = parts;
    for (size_t i = 0; i <= p->started; i++)
        atomic_store_explicit(&p->workers[i].next, i ? range_end(p, i - 1) : 0,
                              memory_order_relaxed);
    atomic_store(&p->done, 0);
    uint64_t job = (atomic_load(&p->ticket) >> 32) + 1;
    atomic_store(&p->ticket, job << 32 | parts);
    wake_workers(p, worth);
    take_parts(p, 0);
    await_end(p);
    atomic_flag_clear(&p->busy);
}
