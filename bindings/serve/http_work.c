/* Threads that predict: a queue of jobs to them, a list of finished ones back. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "http_server.h"

typedef struct list {
    infer_http_job *first, **last;
} list;

typedef struct worker {
    infer_http_workers *all;
    infer_serve *serve;
    pthread_t thread;
} worker;

struct infer_http_workers {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    list todo, finished;
    bool stopping;
    int wake; /* an eventfd: the list of finished jobs has something */
    struct event *event;
    void (*done)(infer_http_job *job);
    size_t count;
    worker workers[];
};

/* ---- lists ---- */

static void clear(list *l) {
    *l = (list){NULL, &l->first};
}

static void append(list *l, infer_http_job *job) {
    job->next = NULL;
    *l->last = job;
    l->last = &job->next;
}

static infer_http_job *take(list *l) {
    infer_http_job *job = l->first;
    if (job && !(l->first = job->next))
        l->last = &l->first;
    return job;
}

/* ---- threads ---- */

static void *work(void *worker_void) {
    worker *w = worker_void;
    infer_http_workers *all = w->all;
    const uint64_t one = 1;
    pthread_mutex_lock(&all->lock);
    for (;;) {
        while (!all->todo.first && !all->stopping)
            pthread_cond_wait(&all->filled, &all->lock);
        if (all->stopping)
            break;
        infer_http_job *job = take(&all->todo);
        pthread_mutex_unlock(&all->lock);
        job->route->answer(infer_http_user(job->server), w->serve, &job->request, &job->reply);
        pthread_mutex_lock(&all->lock);
        bool was_empty = !all->finished.first;
        append(&all->finished, job);
        if (was_empty)
            while (write(all->wake, &one, sizeof one) < 0 && errno == EINTR) {
            }
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static void on_finished(evutil_socket_t wake, short what, void *all_void) {
    infer_http_workers *all = all_void;
    uint64_t count;
    (void)what;
    ssize_t got = read(wake, &count, sizeof count);
    (void)got;
    for (;;) {
        pthread_mutex_lock(&all->lock);
        infer_http_job *job = take(&all->finished);
        pthread_mutex_unlock(&all->lock);
        if (!job)
            return;
        all->done(job);
    }
}

/* Signals are for the listening thread. */
static bool start(worker *w) {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    bool good = pthread_create(&w->thread, NULL, work, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

infer_http_workers *infer_http_workers_new(struct event_base *base, infer_serve *serve,
                                           size_t threads, void (*done)(infer_http_job *job)) {
    infer_http_workers *all = calloc(1, sizeof *all + threads * sizeof *all->workers);
    if (!all)
        return NULL;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->filled, NULL);
    clear(&all->todo);
    clear(&all->finished);
    all->done = done;
    all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    all->event =
        all->wake < 0 ? NULL : event_new(base, all->wake, EV_READ | EV_PERSIST, on_finished, all);
    bool good = all->event && event_add(all->event, NULL) == 0;
    while (good && all->count < threads) {
        worker *w = &all->workers[all->count];
        *w = (worker){.all = all, .serve = infer_serve_share(serve)};
        good = w->serve && start(w);
        if (good)
            all->count++;
        else
            infer_serve_close(w->serve);
    }
    if (good)
        return all;
    infer_http_workers_free(all);
    return NULL;
}

void infer_http_workers_put(infer_http_workers *all, infer_http_job *job) {
    pthread_mutex_lock(&all->lock);
    append(&all->todo, job);
    pthread_cond_signal(&all->filled);
    pthread_mutex_unlock(&all->lock);
}

void infer_http_workers_free(infer_http_workers *all) {
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->stopping = true;
    pthread_cond_broadcast(&all->filled);
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < all->count; i++) {
        pthread_join(all->workers[i].thread, NULL);
        infer_serve_close(all->workers[i].serve);
    }
    if (all->event)
        event_free(all->event);
    if (all->wake >= 0)
        close(all->wake);
    for (infer_http_job *job; (job = take(&all->finished)) || (job = take(&all->todo));)
        all->done(job);
    pthread_cond_destroy(&all->filled);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
