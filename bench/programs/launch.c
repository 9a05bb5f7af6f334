/*
 * Starts programs and times them as whole processes, in turns: launch ROUNDS FILE.
 *
 * Each line of FILE is a program: in which rounds it runs (every N-th), path and arguments, with
 * tabs between. Prints "line nanoseconds" for every run. It is small and static, so that its forks
 * are cheap and even.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROGRAMS 16
#define MAX_WORDS    16

static struct {
    int every;
    char *words[MAX_WORDS + 1];
} programs[MAX_PROGRAMS];
static char text[16384];

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int read_programs(const char *path) {
    int fd = open(path, O_RDONLY), count = 0;
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size < 0)
        return 0;
    close(fd);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && count < MAX_PROGRAMS;
         line = strtok_r(NULL, "\n", &rest), count++) {
        char *more = NULL, *word = strtok_r(line, "\t", &more);
        programs[count].every = atoi(word);
        for (int i = 0; i < MAX_WORDS && (word = strtok_r(NULL, "\t", &more)); i++)
            programs[count].words[i] = word;
    }
    return count;
}

static int run(int number) {
    int status;
    int64_t start = now();
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execv(programs[number].words[0], programs[number].words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "launch: %s failed\n", programs[number].words[0]);
        return 0;
    }
    int64_t took = now() - start;
    printf("%d %lld\n", number, (long long)took);
    return 1;
}

int main(int argc, char **argv) {
    int count = argc == 3 ? read_programs(argv[2]) : 0;
    if (!count)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing is left in a buffer that a child would copy */
    for (int round = 0; round < atoi(argv[1]); round++)
        for (int i = 0; i < count; i++)
            if (round % programs[i].every == 0 && !run(i))
                return 1;
    return 0;
}
