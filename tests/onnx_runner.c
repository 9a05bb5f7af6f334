/* Runs ONNX's test data: finds the cases, runs each in a process of its own, and reports.
 *
 * usage: onnx_runner [-j N] [-v] [--starve] [--cpu NAME] [--without PASSES] [--ops LIST]
 * [--exclude PATTERN] [--junit FILE] FOLDER... [PATTERN...]
 *
 * FOLDER is a case (it has a model.onnx) or has cases, or models light_NAME.onnx, below it. Each
 * case runs twice and counts as two: from the model, and as NAME.infer from the image that the
 * model is saved as. Only cases whose name fits one of the PATTERNs (shell wildcards) are run, if
 * there are any, and none that fits one of the excluded. LIST restricts them to those all of whose
 * operators stand in it: names such as Add and ai.onnx.ml.Scaler, separated by commas, or a file of
 * them, or "supported" for all that the build knows. Others are not counted. */
#define _POSIX_C_SOURCE 200809L
#include "onnx_case.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_SIZE 1024
#define JOBS_MAX     64
#define SECONDS      120 /* that one case may take */

typedef struct test_case {
    char *folder;
    const char *name; /* last component of folder */
    case_kind kind;
    case_result result;
    double seconds;
    char *message;
} test_case;

static struct {
    test_case *cases;
    size_t count, room;
    const char *ops, *junit;
    const char **patterns, **excluded;
    size_t pattern_count, excluded_count;
    int jobs;
    bool verbose, starve;
    infer_options options; /* of all cases */
} run;

static void *checked(void *pointer) {
    if (!pointer) {
        fprintf(stderr, "onnx_runner: out of memory\n");
        exit(2);
    }
    return pointer;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- finding cases ---- */

static bool fits_any(const char *name, const char **patterns, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

static void add_case(const char *folder, size_t name_at, case_kind kind) {
    if (run.count == run.room) {
        run.room = run.room ? 2 * run.room : 256;
        run.cases = checked(realloc(run.cases, run.room * sizeof *run.cases));
    }
    test_case *c = &run.cases[run.count++];
    *c = (test_case){.folder = checked(strdup(folder)), .kind = kind, .result = CASE_FAILED};
    c->name = c->folder + name_at;
}

static void add_folder(const char *folder) {
    const char *slash = strrchr(folder, '/');
    const char *name = slash ? slash + 1 : folder;
    if ((run.pattern_count && !fits_any(name, run.patterns, run.pattern_count)) ||
        fits_any(name, run.excluded, run.excluded_count))
        return;
    if (run.starve) {
        add_case(folder, (size_t)(name - folder), CASE_STARVED);
        return;
    }
    add_case(folder, (size_t)(name - folder), CASE_FROM_MODEL);
    add_case(folder, (size_t)(name - folder), CASE_FROM_IMAGE);
}

/* Puts a path together; a longer one than any file has ends the program. */
static void join(char *path, size_t size, const char *folder, const char *name) {
    int n = snprintf(path, size, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= size) {
        fprintf(stderr, "onnx_runner: a path below %s is too long\n", folder);
        exit(2);
    }
}

static void find_cases(const char *folder, int depth) {
    char path[PATH_MAX];
    join(path, sizeof path, folder, "model.onnx");
    if (access(path, R_OK) == 0) {
        add_folder(folder);
        return;
    }
    DIR *dir = depth ? opendir(folder) : NULL;
    struct stat st;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        join(path, sizeof path, folder, e->d_name);
        size_t size = strlen(e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            find_cases(path, depth - 1);
        else if (strncmp(e->d_name, "light_", 6) == 0 && size > 5 &&
                 strcmp(e->d_name + size - 5, ".onnx") == 0)
            add_folder(path);
    }
    if (dir)
        closedir(dir);
}

static int by_name(const void *a, const void *b) {
    const test_case *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (int)x->kind - (int)y->kind;
}

/* ---- running them ---- */

typedef struct job {
    pid_t pid; /* 0: free */
    int pipe;
    FILE *log; /* what it prints, such as a sanitizer's finding */
    test_case *test;
    double start;
} job;

static void run_child(const test_case *c, int out) {
    char message[MESSAGE_SIZE];
    alarm(SECONDS);
    case_result result =
        run_case(c->folder, run.ops, c->kind, &run.options, message, sizeof message);
    if (write(out, message, strlen(message)) < 0)
        result = CASE_FAILED;
    close(out);
    exit(result);
}

static void start_job(job *j, test_case *c) {
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0 || !(j->log = tmpfile()) || (j->pid = fork()) < 0) {
        perror("onnx_runner");
        exit(2);
    }
    if (j->pid == 0) {
        close(ends[0]);
        dup2(fileno(j->log), STDERR_FILENO);
        run_child(c, ends[1]);
    }
    close(ends[1]);
    j->pipe = ends[0];
    j->test = c;
    j->start = now();
}

static const char *suffix(const test_case *c) {
    return c->kind == CASE_FROM_IMAGE ? ".infer" : "";
}

/* The line of a log that says most. */
static void read_log(FILE *log, char *message, size_t size) {
    char line[512];
    rewind(log);
    while (fgets(line, sizeof line, log))
        if (strstr(line, "SUMMARY:") || strstr(line, "runtime error:")) {
            size_t used = strlen(message);
            snprintf(message + used, size - used, " %.*s", (int)strcspn(line, "\n"), line);
            break;
        }
    fclose(log);
}

static void end_job(job *j, int status) {
    char message[MESSAGE_SIZE + 64];
    test_case *c = j->test;
    ssize_t n = read(j->pipe, message, MESSAGE_SIZE);
    message[n > 0 ? n : 0] = 0;
    close(j->pipe);
    if (WIFSIGNALED(status))
        snprintf(message, sizeof message,
                 WTERMSIG(status) == SIGALRM ? "took more than %d seconds" : "crashed by signal %d",
                 WTERMSIG(status) == SIGALRM ? SECONDS : WTERMSIG(status));
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : CASE_FAILED;
    c->result = code == CASE_PASSED || code == CASE_SKIPPED || code == CASE_UNSELECTED
                    ? (case_result)code
                    : CASE_FAILED;
    if (c->result == CASE_FAILED && !message[0])
        snprintf(message, sizeof message, "ended with code %d", code);
    read_log(j->log, message, sizeof message);
    c->seconds = now() - j->start;
    c->message = checked(strdup(message));
    const char *word = c->result == CASE_FAILED    ? "FAIL"
                       : c->result == CASE_PASSED  ? "pass"
                       : c->result == CASE_SKIPPED ? "skip"
                                                   : "not selected";
    if (c->result == CASE_FAILED || run.verbose)
        printf("%s %s%s%s%s\n", word, c->name, suffix(c), message[0] ? ": " : "", message);
    j->pid = 0;
}

static void wait_for_one(job *jobs) {
    int status;
    pid_t pid = wait(&status);
    for (int i = 0; i < run.jobs; i++)
        if (pid > 0 && jobs[i].pid == pid)
            end_job(&jobs[i], status);
}

static void run_all(void) {
    job jobs[JOBS_MAX] = {{0}};
    size_t next = 0, running = 0;
    while (next < run.count || running) {
        running = 0;
        for (int i = 0; i < run.jobs; i++) {
            if (!jobs[i].pid && next < run.count)
                start_job(&jobs[i], &run.cases[next++]);
            running += jobs[i].pid != 0;
        }
        if (running)
            wait_for_one(jobs);
    }
}

/* ---- the report ---- */

static size_t count_of(case_result result) {
    size_t count = 0;
    for (size_t i = 0; i < run.count; i++)
        count += run.cases[i].result == result;
    return count;
}

static void print_escaped(FILE *f, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 32 || c > 126 || strchr("<>&\"", c))
            fprintf(f, c < 32 || c > 126 ? "?" : "&#%u;", c);
        else
            fputc(c, f);
    }
}

static void write_junit(void) {
    FILE *f = fopen(run.junit, "w");
    if (!f) {
        perror(run.junit);
        exit(2);
    }
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuite name=\"onnx\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n",
            run.count - count_of(CASE_UNSELECTED), count_of(CASE_FAILED), count_of(CASE_SKIPPED));
    for (size_t i = 0; i < run.count; i++) {
        const test_case *c = &run.cases[i];
        if (c->result == CASE_UNSELECTED)
            continue;
        fprintf(f, "<testcase classname=\"onnx\" name=\"");
        print_escaped(f, c->name);
        fprintf(f, "%s\" time=\"%.3f\">", suffix(c), c->seconds);
        if (c->result != CASE_PASSED) {
            fprintf(f, "<%s message=\"", c->result == CASE_FAILED ? "failure" : "skipped");
            print_escaped(f, c->message);
            fprintf(f, "\"/>");
        }
        fprintf(f, "</testcase>\n");
    }
    fprintf(f, "</testsuite>\n");
    fclose(f);
}

/* ---- arguments ---- */

/* The text of a file, or the argument itself where it is none. */
static const char *list_of(const char *argument) {
    static char text[1 << 16];
    FILE *f = fopen(argument, "r");
    if (!f)
        return argument;
    size_t size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[size] = 0;
    return text;
}

static int usage(void) {
    fprintf(stderr, "usage: onnx_runner [-j N] [-v] [--starve] [--cpu NAME] [--without PASSES] "
                    "[--ops LIST] [--exclude PATTERN] [--junit FILE] FOLDER... [PATTERN...]\n");
    return 2;
}

/* What kernels may use of the processor; 0: no such name. */
static uint32_t cpu_mask(const char *name) {
    static const struct {
        const char *name;
        uint32_t mask;
    } list[] = {{"scalar", INFER_CPU_SCALAR},
                {"avx2", INFER_CPU_AVX2},
                {"avx512", INFER_CPU_AVX2 | INFER_CPU_AVX512},
                {"neon", INFER_CPU_NEON}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (strcmp(name, list[i].name) == 0)
            return list[i].mask;
    return 0;
}

int main(int argc, char **argv) {
    const char **folders = checked(calloc((size_t)argc, sizeof *folders));
    size_t folder_count = 0;
    struct stat st;
    run.jobs = 2;
    infer_options_init(&run.options);
    run.patterns = checked(calloc((size_t)argc, sizeof *run.patterns));
    run.excluded = checked(calloc((size_t)argc, sizeof *run.excluded));
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = argv[i + 1];
        if (strcmp(a, "-v") == 0)
            run.verbose = true;
        else if (strcmp(a, "--starve") == 0)
            run.starve = true;
        else if (a[0] == '-' && !value)
            return usage();
        else if (strcmp(a, "-j") == 0 && atoi(value) >= 1 && atoi(value) <= JOBS_MAX)
            run.jobs = atoi(argv[++i]);
        else if (strcmp(a, "--cpu") == 0 && (run.options.cpu_mask = cpu_mask(value)))
            i++;
        else if (strcmp(a, "--without") == 0)
            run.options.without = argv[++i];
        else if (strcmp(a, "--ops") == 0)
            run.ops = list_of(argv[++i]);
        else if (strcmp(a, "--junit") == 0)
            run.junit = argv[++i];
        else if (strcmp(a, "--exclude") == 0)
            run.excluded[run.excluded_count++] = argv[++i];
        else if (a[0] == '-')
            return usage();
        else if (stat(a, &st) == 0 && S_ISDIR(st.st_mode))
            folders[folder_count++] = a;
        else
            run.patterns[run.pattern_count++] = a;
    }
    if (!folder_count)
        return usage();
    for (size_t i = 0; i < folder_count; i++)
        find_cases(folders[i], 2);
    if (run.count)
        qsort(run.cases, run.count, sizeof *run.cases, by_name);
    run_all();
    if (run.junit)
        write_junit();
    size_t passed = count_of(CASE_PASSED), failed = count_of(CASE_FAILED);
    printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, count_of(CASE_SKIPPED));
    for (size_t i = 0; i < run.count; i++) {
        free(run.cases[i].folder);
        free(run.cases[i].message);
    }
    free(run.cases);
    free(run.patterns);
    free(run.excluded);
    free(folders);
    return failed ? 1 : passed ? 0 : 77;
}
