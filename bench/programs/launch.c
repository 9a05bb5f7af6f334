/*
 * Starts programs and times them in turns: launch ROUNDS FILE [EVENT].
 *
 * Each line of FILE is a program: in which rounds it runs (every N-th), path and arguments, with
 * tabs between. Prints "line nanoseconds" for every run: of the whole process, or with EVENT, a
 * file, from its start until it has answered that event as a function of AWS Lambda; then the
 * answer stands behind. It is small and static, so that its forks are cheap and even.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
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

static pid_t start_program(int number) {
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execv(programs[number].words[0], programs[number].words);
        _exit(127);
    }
    return child;
}

static int fail(int number, const char *what) {
    fprintf(stderr, "launch: %s %s\n", programs[number].words[0], what);
    return 0;
}

static int run_process(int number) {
    int status;
    int64_t start = now();
    pid_t child = start_program(number);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return fail(number, "failed");
    printf("%d %lld\n", number, (long long)(now() - start));
    return 1;
}

/* ---- the runtime API of AWS Lambda, for one event ---- */

static int listener;
static char event[65536], next[66000], message[65536];
static size_t next_size;

static int open_api(const char *path) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {60, 0};
    socklen_t room = sizeof address;
    char api[40];
    int file = open(path, O_RDONLY);
    ssize_t size = file < 0 ? -1 : read(file, event, sizeof event);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (size < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &room) != 0 ||
        setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        return 0;
    close(file);
    next_size = (size_t)snprintf(next, sizeof next,
                                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Lambda-Runtime-Aws-Request-Id: one\r\n"
                                 "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
                                 "Content-Length: %zd\r\n\r\n%.*s",
                                 size, (int)size, event);
    snprintf(api, sizeof api, "127.0.0.1:%d", ntohs(address.sin_port));
    return setenv("AWS_LAMBDA_RUNTIME_API", api, 1) == 0;
}

/* Reads a request; returns its body, or NULL where the connection ended. */
static char *read_message(int connection) {
    size_t size = 0, length = 0;
    char *body = NULL;
    while (!body || size < (size_t)(body - message) + length) {
        ssize_t got = recv(connection, message + size, sizeof message - 1 - size, 0);
        if (got <= 0)
            return NULL;
        size += (size_t)got;
        message[size] = 0;
        char *end = body ? NULL : strstr(message, "\r\n\r\n");
        if (!end)
            continue;
        body = end + 4;
        for (char *line = message; line < end; line = strstr(line, "\r\n") + 2)
            if (strncasecmp(line, "Content-Length:", 15) == 0)
                length = strtoul(line + 15, NULL, 10);
    }
    return body;
}

/* Hands out the event, and takes the answer. */
static char *exchange(void) {
    const int one = 1;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            return NULL;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        char *body;
        while ((body = read_message(connection))) {
            int is_answer = strncmp(message, "POST", 4) == 0;
            if (is_answer) {
                close(connection);
                return body;
            }
            if (send(connection, next, next_size, MSG_NOSIGNAL) != (ssize_t)next_size)
                break;
        }
        close(connection);
    }
}

static int run_function(int number) {
    int64_t start = now();
    pid_t child = start_program(number);
    char *answer = child < 0 ? NULL : exchange();
    int64_t took = now() - start;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    if (!answer)
        return fail(number, "gave no answer");
    printf("%d %lld %s\n", number, (long long)took, answer);
    return 1;
}

int main(int argc, char **argv) {
    int count = argc == 3 || argc == 4 ? read_programs(argv[2]) : 0;
    if (!count || (argc == 4 && !open_api(argv[3])))
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing is left in a buffer that a child would copy */
    for (int round = 0; round < atoi(argv[1]); round++)
        for (int i = 0; i < count; i++)
            if (round % programs[i].every == 0 && !(argc == 4 ? run_function : run_process)(i))
                return 1;
    return 0;
}
