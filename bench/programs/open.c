/*
 * Time to open and to close prepared images, in turns: open ROUNDS FILE...; prints for each file
 * "open_ns limit_ns over_ns free_ns munmap_ns", over being the median of the differences.
 *
 * The limit is what any opening takes: the system calls that map the file and the first page fault.
 */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"
#include "infer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN, LIMIT, OVER, FREE, UNMAP, FIGURES };

static int time_model(const char *path, double *times[], size_t round) {
    infer_model *model;
    double start = now_ns();
    if (infer_open(path, &model) != INFER_OK) {
        fprintf(stderr, "libinfer: %s\n", infer_last_error());
        return 0;
    }
    double opened = now_ns();
    infer_free(model);
    times[OPEN][round] = opened - start;
    times[FREE][round] = now_ns() - opened;
    return 1;
}

static int time_system(const char *path, double *times[], size_t round) {
    struct stat st;
    double start = now_ns();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return 0;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return 0;
    (void)*(volatile const char *)data;
    double opened = now_ns();
    munmap(data, (size_t)st.st_size);
    times[LIMIT][round] = opened - start;
    times[UNMAP][round] = now_ns() - opened;
    return 1;
}

int main(int argc, char **argv) {
    size_t rounds = argc > 2 ? (size_t)atoi(argv[1]) : 0, files = (size_t)argc - 2;
    if (!rounds)
        return 2;
    double *all = calloc(files * FIGURES * rounds, sizeof *all);
    for (size_t r = 0; r < rounds; r++)
        for (size_t f = 0; f < files; f++) {
            double *times[FIGURES];
            for (size_t i = 0; i < FIGURES; i++)
                times[i] = all + (f * FIGURES + i) * rounds;
            /* The same before both: what the kernel keeps of the last mapping helps the next. */
            int done = time_system(argv[f + 2], times, r) && time_model(argv[f + 2], times, r) &&
                       time_system(argv[f + 2], times, r);
            if (!done)
                return 1;
            times[OVER][r] = times[OPEN][r] - times[LIMIT][r];
        }
    for (size_t i = 0; i < files * FIGURES; i++)
        printf("%.0f%c", median(all + i * rounds, rounds), i % FIGURES == FIGURES - 1 ? '\n' : ' ');
    return 0;
}
