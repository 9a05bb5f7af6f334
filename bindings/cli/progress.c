/* A bar on stderr for long work: a thread draws, so that the work only stores a number. */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 40

static struct {
    const char *label;
    uint64_t total;
    atomic_uint_fast64_t done;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopped, running;
    pthread_t thread;
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER, .stop = PTHREAD_COND_INITIALIZER};

static void draw(double seconds) {
    uint64_t done = atomic_load_explicit(&progress.done, memory_order_relaxed);
    if (!progress.total) {
        fprintf(stderr, "\r%s  %.0f s", progress.label, seconds);
        return;
    }
    double part = (double)(done < progress.total ? done : progress.total) / (double)progress.total;
    int filled = (int)(part * WIDTH);
    fprintf(stderr, "\r%s [", progress.label);
    for (int i = 0; i < WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f %%  %.0f s", 100 * part, seconds);
}

static void *drawer(void *unused) {
    (void)unused;
    struct timespec next;
    bool drawn = false;
    clock_gettime(CLOCK_REALTIME, &next);
    pthread_mutex_lock(&progress.lock);
    for (int tick = 1; !progress.stopped; tick++) {
        next.tv_nsec += 250000000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        while (!progress.stopped &&
               pthread_cond_timedwait(&progress.stop, &progress.lock, &next) == 0)
            ;
        if (!progress.stopped && tick >= 2) {
            draw(tick * 0.25);
            drawn = true;
        }
    }
    pthread_mutex_unlock(&progress.lock);
    if (drawn)
        fputs("\r\033[K", stderr);
    return NULL;
}

void infer_cli_progress_begin(const char *label, uint64_t total) {
    if (!isatty(STDERR_FILENO))
        return;
    progress.label = label;
    progress.total = total;
    progress.stopped = false;
    atomic_store(&progress.done, 0);
    progress.running = pthread_create(&progress.thread, NULL, drawer, NULL) == 0;
}

void infer_cli_progress_at(uint64_t done) {
    atomic_store_explicit(&progress.done, done, memory_order_relaxed);
}

void infer_cli_progress_end(void) {
    if (!progress.running)
        return;
    pthread_mutex_lock(&progress.lock);
    progress.stopped = true;
    pthread_cond_signal(&progress.stop);
    pthread_mutex_unlock(&progress.lock);
    pthread_join(progress.thread, NULL);
    progress.running = false;
}
