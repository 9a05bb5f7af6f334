/* Runs mutants of ONNX's test models, each straight from its bytes and through its image, and finds
 * those that crash, hang, leak or, in a build with sanitizers, do what C does not define.
 *
 * usage: campaign [-j N] [--first N] [--count N] [--seconds N] FOLDER...
 *        campaign --replay N FOLDER...
 *
 * Mutant number N is the same on every machine with the same test data. Workers are processes that
 * end after a batch, so that the leak checker looks at each; the parent names the mutant at which
 * one crashed or did not move for 10 seconds. */
#define _GNU_SOURCE
#include "exercise.h"
#include "mutate.h"

#include "map.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH    256
#define HANG     10 /* seconds */
#define WORKERS  16
#define MODEL    (64 << 10) /* bytes of the largest that is mutated */
#define ELEMENTS 4096       /* of an input */

static struct {
    char **models;
    size_t count, room;
    uint64_t first, end; /* mutants; end may be UINT64_MAX */
    double seconds;
    int jobs;
} run = {.end = UINT64_MAX, .jobs = 1};

/* ---- the models ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_models(const char *folder) {
    DIR *dir = opendir(folder);
    char path[PATH_MAX];
    struct stat st;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof path || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            find_models(path);
        if (strcmp(e->d_name, "model.onnx") != 0 || st.st_size > MODEL)
            continue;
        if (run.count == run.room) {
            run.room = run.room ? 2 * run.room : 1024;
            run.models = realloc(run.models, run.room * sizeof *run.models);
        }
        if (!run.models || !(run.models[run.count++] = strdup(path))) {
            fprintf(stderr, "campaign: out of memory\n");
            exit(2);
        }
    }
    if (dir)
        closedir(dir);
}

/* ---- one mutant ---- */

/* An input that fits the port, or nearly so: its extents may differ, its elements are anything. */
static int rolled_input(const infer_model *model, size_t index, dice *d, int64_t *shape,
                        infer_value *value) {
    infer_value_info info = {.struct_size = sizeof info};
    size_t element, count = 1;
    if (infer_model_input(model, index, &info) != INFER_OK)
        return 0;
    *value = (infer_value){.kind = info.kind, .shape = shape};
    if (info.kind != INFER_KIND_TENSOR) /* an empty sequence or optional; maps are left out */
        return info.kind == INFER_KIND_SEQUENCE || info.kind == INFER_KIND_OPTIONAL;
    if (!(element = infer_type_size((infer_type)info.type)))
        return 0;
    int32_t rank = info.rank < 0 ? (int32_t)roll_below(d, 4) : info.rank;
    for (int32_t i = 0; i < rank; i++) {
        shape[i] = info.rank < 0 || info.shape[i] < 0 ? (int64_t)roll_below(d, 5) : info.shape[i];
        if (shape[i] < 0 || (shape[i] && count > ELEMENTS / (size_t)shape[i]))
            return 0;
        count *= (size_t)shape[i];
    }
    value->type = info.type;
    value->rank = (uint32_t)rank;
    value->count = count;
    char *data = value->data = calloc(count + 1, element);
    for (size_t i = 0; data && i < count; i++, data += element) {
        int64_t whole = roll_int(d);
        float narrow = (float)roll_real(d);
        double real = (double)narrow;
        if (info.type == INFER_TYPE_STRING)
            memcpy(data, &(infer_string){"abc déf", roll_below(d, 9)}, sizeof(infer_string));
        else if (info.type == INFER_TYPE_BOOL)
            *data = (char)roll_below(d, 2);
        else if (info.type == INFER_TYPE_FLOAT)
            memcpy(data, &narrow, sizeof narrow);
        else if (info.type == INFER_TYPE_DOUBLE)
            memcpy(data, &real, sizeof real);
        else
            memcpy(data, &whole, element < 8 ? element : 8);
    }
    return value->data != NULL;
}

static void run_rolled(infer_model *model, dice *d) {
    int64_t shapes[EXERCISE_PORTS][INFER_MAX_RANK];
    infer_value inputs[EXERCISE_PORTS] = {{0}}, outputs[EXERCISE_PORTS];
    size_t in = infer_model_inputs(model), out = infer_model_outputs(model), made = 0, read = 0;
    infer_context *context;
    if (in > EXERCISE_PORTS || out > EXERCISE_PORTS ||
        infer_context_new(model, &context) != INFER_OK)
        return;
    while (made < in && rolled_input(model, made, d, shapes[made], &inputs[made]))
        made++;
    memset(outputs, 0, sizeof outputs);
    if (made == in && infer_run(context, NULL, inputs, in, NULL, outputs, out) == INFER_OK)
        for (size_t i = 0; i < out; i++)
            read += read_result(&outputs[i]);
    keep_read(read);
    while (made)
        free(inputs[--made].data);
    infer_context_free(context);
}

/* The mutant's image, opened again, runs as well. */
static void run_image(const infer_model *model, const infer_options *options, dice *d) {
    const void *data;
    size_t size;
    infer_model *opened;
    if (infer_model_image(model, &data, &size) != INFER_OK ||
        infer_open_memory_with(data, size, INFER_COPY, options, &opened) != INFER_OK)
        return;
    run_rolled(opened, d);
    infer_free(opened);
}

static void run_mutant(uint64_t number, const char *save) {
    dice d = {number * UINT64_C(0x2545f4914f6cdd1d) + 1};
    const char *path = run.models[roll_below(&d, run.count)];
    infer_onnx_reader r;
    infer_map map;
    ProtobufCMessage *message;
    if (infer_map_file(path, &map) != INFER_OK)
        return;
    infer_onnx_reader_init(&r, &infer_libc_allocator, 0, NULL);
    infer_status status =
        infer_onnx_unpack(&r, &infer__onnx__model_proto__descriptor, map.data, map.size, &message);
    infer_unmap(&map);
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (status == INFER_OK && mutate_model(&r, (Infer__Onnx__ModelProto *)message, &d)) {
        size = protobuf_c_message_get_packed_size(message);
        bytes = malloc(size + 1);
        if (bytes)
            protobuf_c_message_pack(message, bytes);
    }
    infer_onnx_reader_free(&r);
    infer_options options;
    infer_model *model = NULL;
    infer_options_init(&options);
    options.load_limit = options.memory_limit = EXERCISE_LIMIT;
    options.iteration_limit = 1000;
    FILE *f = save ? fopen(save, "wb") : NULL;
    if (f) {
        fwrite(bytes, 1, size, f);
        fclose(f);
        printf("%s\n", path);
    }
    status = bytes ? infer_load_memory_with(bytes, size, INFER_COPY, &options, &model)
                   : INFER_ERROR_MEMORY;
    if (save)
        printf("%s: %s\n", infer_status_name(status), status == INFER_OK ? "" : infer_last_error());
    free(bytes);
    if (status != INFER_OK)
        return;
    keep_read(ask_everything(model));
    run_rolled(model, &d);
    run_image(model, &options, &d);
    infer_free(model);
}

/* ---- workers ---- */

/* What a worker is at, in memory that it shares with the parent. */
typedef struct place {
    volatile uint64_t mutant;
    volatile double since;
} place;

typedef struct worker {
    pid_t pid;
    place *at;
    uint64_t batch, end;
} worker;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void start(worker *w, uint64_t first, uint64_t end) {
    w->batch = first;
    w->end = end;
    w->at->mutant = first;
    w->at->since = now();
    fflush(NULL);
    if ((w->pid = fork()) != 0)
        return;
    for (uint64_t i = first; i < end; i++) {
        w->at->mutant = i;
        w->at->since = now();
        run_mutant(i, NULL);
    }
    exit(0);
}

static void report(const worker *w, const char *what) {
    printf("%s: mutant %llu (batch from %llu)\n", what, (unsigned long long)w->at->mutant,
           (unsigned long long)w->batch);
}

/* What is left of a batch whose worker fell is started again behind the mutant that felled it. */
static int campaign(void) {
    worker workers[WORKERS];
    uint64_t next = run.first, done = 0, failed = 0;
    double began = now();
    place *places = mmap(NULL, sizeof(place) * WORKERS, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (places == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < run.jobs; i++)
        workers[i].at = &places[i];
    for (int busy = 1; busy;) {

        bool more = next < run.end && (run.seconds <= 0 || now() - began < run.seconds);
        busy = more;
        for (int i = 0; i < run.jobs; i++) {
            worker *w = &workers[i];
            int status;
            if (!w->pid && more) {
                uint64_t end = run.end - next < BATCH ? run.end : next + BATCH;
                start(w, next, end);
                next = end;
            } else if (w->pid && waitpid(w->pid, &status, WNOHANG) == w->pid) {
                bool fell = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
                w->pid = 0;
                done += (fell ? w->at->mutant + 1 : w->end) - w->batch;
                failed += fell;
                if (fell)
                    report(w, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "HANG" : "FAIL");
                uint64_t left = w->at->mutant + 1;
                if (fell && left < w->end && failed < 100)
                    start(w, left, w->end);
            } else if (w->pid && now() - w->at->since > HANG) {
                kill(w->pid, SIGKILL);
            }
            busy += w->pid != 0;
        }
        if (busy)
            usleep(2000);
    }
    printf("%llu mutants of %zu models in %.0f s, %llu failed\n", (unsigned long long)done,
           run.count, now() - began, (unsigned long long)failed);
    return failed ? 1 : 0;
}

int main(int argc, char **argv) {
    const char *replay = NULL;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (a[0] != '-') {
            find_models(a);
            continue;
        }
        if (!value) {
            fprintf(stderr, "usage: campaign [-j N] [--first N] [--count N] [--seconds N] "
                            "[--replay N] FOLDER...\n");
            return 2;
        }
        i++;
        if (strcmp(a, "-j") == 0)
            run.jobs = atoi(value) < 1 ? 1 : atoi(value) > WORKERS ? WORKERS : atoi(value);
        else if (strcmp(a, "--first") == 0)
            run.first = strtoull(value, NULL, 10);
        else if (strcmp(a, "--count") == 0)
            run.end = strtoull(value, NULL, 10);
        else if (strcmp(a, "--seconds") == 0)
            run.seconds = atof(value);
        else if (strcmp(a, "--replay") == 0)
            replay = value;
    }
    if (!run.count) {
        fprintf(stderr, "campaign: no models were found\n");
        return 77;
    }
    qsort(run.models, run.count, sizeof *run.models, by_text);
    if (run.end != UINT64_MAX)
        run.end += run.first;
    if (!replay)
        return campaign();
    run_mutant(strtoull(replay, NULL, 10), "/tmp/mutant.onnx");
    return 0;
}
