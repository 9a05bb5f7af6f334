/* Counters of the HTTP server, and their text for Prometheus. The listening thread's alone. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "http_server.h"

/* What is counted by itself; anything else is "other". */
static const int codes[] = {200, 400, 404, 405, 408, 413, 415, 422, 429, 500, 501, 503, 504, 0};
static const char *const methods[] = {"GET", "POST", "HEAD", NULL};
static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
#define CODES   (sizeof codes / sizeof *codes)
#define METHODS (sizeof methods / sizeof *methods)
#define BOUNDS  (sizeof bounds / sizeof *bounds)

static struct {
    uint64_t requests[CODES][METHODS], buckets[BOUNDS], count, sum_ns, load_ns;
    size_t in_flight;
    time_t start;
    bool ready;
} counters;

void infer_http_count(int status, const char *method, uint64_t nanoseconds) {
    size_t code = 0, m = 0, b = 0;
    while (codes[code] && codes[code] != status)
        code++;
    while (methods[m] && strcmp(methods[m], method) != 0)
        m++;
    while (b < BOUNDS && (double)nanoseconds > bounds[b] * 1e9)
        b++;
    counters.requests[code][m]++;
    counters.count++;
    counters.sum_ns += nanoseconds;
    if (b < BOUNDS)
        counters.buckets[b]++;
}

void infer_http_count_in_flight(int change) {
    counters.in_flight += (size_t)change;
}

void infer_http_count_load(uint64_t nanoseconds) {
    counters.load_ns = nanoseconds;
    counters.start = time(NULL);
}

void infer_http_set_ready(bool ready) {
    counters.ready = ready;
}

bool infer_http_is_ready(void) {
    return counters.ready;
}

/* ---- text ---- */

static long resident_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void write_requests(FILE *to) {
    fputs("# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n",
          to);
    for (size_t c = 0; c < CODES; c++)
        for (size_t m = 0; m < METHODS; m++) {
            char code[12] = "other";
            if (!counters.requests[c][m])
                continue;
            if (codes[c])
                snprintf(code, sizeof code, "%d", codes[c]);
            fprintf(to, "http_requests_total{code=\"%s\",method=\"%s\"} %llu\n", code,
                    methods[m] ? methods[m] : "other", (unsigned long long)counters.requests[c][m]);
        }
}

static void write_durations(FILE *to) {
    uint64_t below = 0;
    fputs("# HELP http_request_duration_seconds From the first byte to the answer.\n"
          "# TYPE http_request_duration_seconds histogram\n",
          to);
    for (size_t b = 0; b < BOUNDS; b++) {
        below += counters.buckets[b];
        fprintf(to, "http_request_duration_seconds_bucket{le=\"%g\"} %llu\n", bounds[b],
                (unsigned long long)below);
    }
    fprintf(to,
            "http_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n"
            "http_request_duration_seconds_sum %.9f\nhttp_request_duration_seconds_count %llu\n",
            (unsigned long long)counters.count, (double)counters.sum_ns / 1e9,
            (unsigned long long)counters.count);
}

static void write_gauge(FILE *to, const char *name, const char *help, double value) {
    fprintf(to, "# HELP %s %s\n# TYPE %s gauge\n%s %.9g\n", name, help, name, name, value);
}

char *infer_http_metrics(size_t *size) {
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    if (!to)
        return NULL;
    write_requests(to);
    write_durations(to);
    write_gauge(to, "http_requests_in_flight", "Requests read and not answered.",
                (double)counters.in_flight);
    write_gauge(to, "model_load_seconds", "Opening the model.", (double)counters.load_ns / 1e9);
    write_gauge(to, "process_resident_memory_bytes", "Memory.", (double)resident_bytes());
    write_gauge(to, "process_start_time_seconds", "Since 1970.", (double)counters.start);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}
