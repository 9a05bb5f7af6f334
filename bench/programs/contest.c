/*
 * Runs a model with several runtimes and prints lines of tab-separated fields:
 *
 *   contest once RUNTIME=LIBRARY=MODEL FEEDS THREADS
 *     one runtime in a process of its own: "once LIBRARY_MS LOAD_MS FIRST_MS PEAK_KB THREADS
 * BEFORE_KB LOADED_KB FAULTS HELD_KB": resident before loading, its peak until the model was
 * loaded, page faults of loading, and what the runtime says that the run needed contest race FEEDS
 * THREADS SECONDS ROUNDS BYTES RUNTIME=LIBRARY=MODEL ... all of them in turns: "round NAME
 * MEDIAN_NS" for each turn, then "calls NAME P99_NS SAMPLES CALLS_A_SAMPLE DIFFERENCE THREADS"; and
 * "limit FMA_PER_NS READ_NS" for each round, what the processor multiplies and how long it takes to
 * read BYTES "refused NAME MESSAGE" where a runtime cannot load or run the model.
 *
 * The process is bound to as many processors as there are threads. The inputs of a run are those of
 * the feed after the last one's.
 */
#define _GNU_SOURCE
#include "contest.h"

#include "clock.h"
#include "limits.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define RUNTIMES 8
#define SHORT_NS 5000 /* calls below this are timed together */
#define TOGETHER 64

typedef struct racer {
    const runtime *runtime;
    const char *name, *library, *model;
    void *state;
    int threads;
    size_t next, together, sample_count, room;
    double *samples, difference;
} racer;

static const runtime *const RUNTIME_LIST[] = {
    &contest_infer, &contest_onnxruntime, &contest_openvino, &contest_lightgbm, &contest_compiled};

/* NAME=LIBRARY=MODEL; the name begins with the runtime's. */
static racer parse(char *text) {
    racer r = {.name = text};
    char *library = strchr(text, '='), *model = library ? strchr(library + 1, '=') : NULL;
    if (!model) {
        fprintf(stderr, "contest: %s is no RUNTIME=LIBRARY=MODEL\n", text);
        exit(1);
    }
    *library = *model = 0;
    r.library = library + 1;
    r.model = model + 1;
    for (size_t i = 0; i < sizeof RUNTIME_LIST / sizeof *RUNTIME_LIST; i++)
        if (strncmp(text, RUNTIME_LIST[i]->name, strlen(RUNTIME_LIST[i]->name)) == 0)
            r.runtime = RUNTIME_LIST[i];
    return r;
}

/* The last processors: interrupts go to the first more often. */
static void bind_processors(int threads) {
    cpu_set_t all, mine;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof all, &all);
    for (int i = CPU_SETSIZE - 1; i >= 0 && threads; i--)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &mine);
            threads--;
        }
    sched_setaffinity(0, sizeof mine, &mine);
}

static int refused(const racer *r) {
    printf("refused\t%s\t%s\n", r->name, contest_error);
    fflush(stdout);
    return 0;
}

static int begin(racer *r, int threads, const feeds *all) {
    r->threads = threads;
    if (!r->runtime) {
        contest_fail("there is no such runtime");
        return refused(r);
    }
    r->state = r->runtime->start(r->library);
    return r->state && r->runtime->open(r->state, r->model, &r->threads, all) ? 1 : refused(r);
}

static long status_kb(const char *name) {
    long kb = 0;
    char line[256];
    size_t size = strlen(name);
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, size) == 0 && sscanf(line + size, ": %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static int once(char **argv) {
    int threads = atoi(argv[2]);
    feeds all = contest_read_feeds(argv[1], 1);
    racer r = parse(argv[0]);
    bind_processors(threads);
    r.threads = threads;
    double begun = now_ns();
    r.state = r.runtime ? r.runtime->start(r.library) : NULL;
    double started = now_ns();
    long kb_before = status_kb("VmRSS"), faults_before = faults();
    double resting = now_ns();
    if (!r.state || !r.runtime->open(r.state, r.model, &r.threads, &all))
        return refused(&r);
    double loaded = now_ns();
    long faults_loaded = faults(), kb_loaded = status_kb("VmHWM");
    double resumed = now_ns();
    if (!r.runtime->run(r.state, 0))
        return refused(&r);
    double ended = now_ns();
    printf("once\t%.3f\t%.3f\t%.3f\t%ld\t%d\t%ld\t%ld\t%ld\t%zu\n", (started - begun) / 1e6,
           (loaded - resting) / 1e6, (ended - resumed) / 1e6, status_kb("VmHWM"), r.threads,
           kb_before, kb_loaded, faults_loaded - faults_before,
           r.runtime->held ? r.runtime->held(r.state) / 1024 : 0);
    fflush(stdout);
    _exit(0); /* what runtimes do at the end is nobody's question */
}

/* What was compared so far of one output: the largest number, and the largest difference. */
typedef struct comparison {
    double largest, apart;
} comparison;

/* Compares the float answers of a run with another's; 0 where they do not fit together. */
static int compare(const racer *r, const racer *peer, comparison *outputs) {
    answer ours[CONTEST_TENSORS], theirs[CONTEST_TENSORS];
    size_t n = r->runtime->answers(r->state, ours), m = peer->runtime->answers(peer->state, theirs),
           j = 0;
    for (size_t i = 0; i < n; i++) {
        if (!ours[i].data || ours[i].type != 1)
            continue;
        /* A runtime that gives one output of several gives a float one. */
        while (j < m && (!theirs[j].data || theirs[j].type != 1))
            j++;
        if (j == m || ours[i].count != theirs[j].count)
            return 0;
        const float *a = ours[i].data, *b = theirs[j++].data;
        for (size_t k = 0; k < ours[i].count; k++) {
            double apart = fabs((double)a[k] - (double)b[k]);
            outputs[i].largest = fmax(outputs[i].largest, fabs((double)b[k]));
            outputs[i].apart = apart > outputs[i].apart || isnan(apart) ? apart : outputs[i].apart;
        }
    }
    return 1;
}

static void call(racer *r, const feeds *all) {
    if (!r->runtime->run(r->state, r->next)) {
        refused(r);
        exit(1);
    }
    r->next = (r->next + 1) % all->count;
}

/* Runs every feed once, compares, and finds out how many calls have to be timed together. */
static int warm(racer *r, const racer *peer, const feeds *all) {
    comparison outputs[CONTEST_TENSORS] = {{0}};
    int alike = peer != NULL;
    for (size_t i = 0; i < all->count; i++) {
        if (!r->runtime->run(r->state, i))
            return refused(r);
        if (peer)
            alike = peer->runtime->run(peer->state, i) && compare(r, peer, outputs) && alike;
    }
    /* As a part of the largest number that an output had. */
    r->difference = alike ? 0 : NAN;
    for (size_t i = 0; i < CONTEST_TENSORS && alike; i++)
        if (outputs[i].apart > 0)
            r->difference = fmax(r->difference, outputs[i].apart / outputs[i].largest);
    double begun = now_ns();
    call(r, all);
    call(r, all);
    r->together = (now_ns() - begun) / 2 < SHORT_NS ? TOGETHER : 1;
    return 1;
}

static void sample(racer *r, const feeds *all) {
    double begun = now_ns();
    for (size_t i = 0; i < r->together; i++)
        call(r, all);
    double ns = (now_ns() - begun) / (double)r->together;
    if (r->sample_count == r->room) {
        r->room = r->room ? 2 * r->room : 1024;
        r->samples = realloc(r->samples, r->room * sizeof *r->samples);
        if (!r->samples) {
            perror("contest");
            exit(1);
        }
    }
    r->samples[r->sample_count++] = ns;
}

static void turn(racer *r, const feeds *all, double ns) {
    size_t first = r->sample_count;
    for (size_t i = 0; i < r->together; i++)
        call(r, all); /* its code and weights come back into the caches */
    double end = now_ns() + ns;
    do
        sample(r, all);
    while (now_ns() < end);
    size_t count = r->sample_count - first;
    double *copy = contest_new(count, sizeof *copy);
    memcpy(copy, r->samples + first, count * sizeof *copy);
    printf("round\t%s\t%.2f\n", r->name, median(copy, count));
    free(copy);
}

/* What the processor does in its best case: multiply-adds a nanosecond, and the time to read bytes.
 */
static void limits(const void *bytes, size_t size) {
    static volatile double sink;
    if (!infer_limits_exist())
        return;
    double begun = now_ns();
    sink = infer_limits_fma_f32(3e7);
    double multiplied = now_ns();
    sink = infer_limits_read(bytes, NULL, size);
    double warm = now_ns();
    size_t times = size < 1 << 20 ? (1 << 20) / (size + 64) : 1;
    for (size_t i = 0; i < times; i++)
        sink = infer_limits_read(bytes, NULL, size);
    printf("limit\t%.3f\t%.1f\n", 3e7 / (multiplied - begun), (now_ns() - warm) / (double)times);
    (void)sink;
}

static int race(int argc, char **argv) {
    int threads = atoi(argv[1]), rounds = atoi(argv[3]);
    double ns = atof(argv[2]) * 1e9 / rounds;
    size_t size = strtoul(argv[4], NULL, 10), count = 0;
    feeds all = contest_read_feeds(argv[0], SIZE_MAX);
    racer racers[RUNTIMES];
    bind_processors(threads);
    for (int i = 5; i < argc && count < RUNTIMES; i++) {
        racers[count] = parse(argv[i]);
        /* The first that can is whom the others are compared with. */
        if (begin(&racers[count], threads, &all) &&
            warm(&racers[count], count ? &racers[0] : NULL, &all))
            count++;
    }
    char *bytes = contest_new(size, 1);
    memset(bytes, 1, size);
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            if (threads > 1)
                usleep(3000); /* the last one's threads go to sleep */
            turn(&racers[((size_t)round + i) % count], &all, ns);
        }
        limits(bytes, size);
    }
    for (size_t i = 0; i < count; i++) {
        racer *r = &racers[i];
        median(r->samples, r->sample_count); /* sorts them */
        printf("calls\t%s\t%.2f\t%zu\t%zu\t%.3g\t%d\n", r->name,
               r->samples[(r->sample_count - 1) * 99 / 100], r->sample_count, r->together,
               r->difference, r->threads);
    }
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "once") == 0)
        return once(argv + 2);
    if (argc >= 8 && strcmp(argv[1], "race") == 0)
        return race(argc - 2, argv + 2);
    return 2;
}
