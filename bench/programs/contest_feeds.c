/* Reads the inputs of a contest, and the small things that all its runtimes use. */
#include "contest.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char contest_error[1024];

int contest_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(contest_error, sizeof contest_error, format, arguments);
    va_end(arguments);
    for (char *p = contest_error; *p; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    return 0;
}

void *contest_library(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        contest_fail("%s", dlerror());
    return handle;
}

void *contest_symbol(void *handle, const char *name) {
    void *symbol = dlsym(handle, name);
    if (!symbol)
        contest_fail("%s", dlerror());
    return symbol;
}

void *contest_new(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) {
        perror("contest");
        exit(1);
    }
    return p;
}

size_t contest_type_size(int type) {
    static const size_t sizes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 8, 16, 2};
    return type > 0 && (size_t)type < sizeof sizes / sizeof *sizes ? sizes[type] : 0;
}

static void read_bytes(FILE *f, void *into, size_t size) {
    if (fread(into, 1, size, f) != size) {
        fprintf(stderr, "contest: the file of inputs ends early\n");
        exit(1);
    }
}

static uint64_t read_number(FILE *f) {
    uint64_t number;
    read_bytes(f, &number, sizeof number);
    return number;
}

static void read_tensor(FILE *f, tensor *t) {
    size_t length = read_number(f);
    char *name = contest_new(length + 1, 1);
    read_bytes(f, name, length);
    t->name = name;
    t->type = (int)read_number(f);
    t->rank = (int)read_number(f);
    if (t->rank > CONTEST_RANK || !contest_type_size(t->type)) {
        fprintf(stderr, "contest: %s has type %d and rank %d\n", name, t->type, t->rank);
        exit(1);
    }
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        t->shape[i] = (int64_t)read_number(f);
        t->count *= (size_t)t->shape[i];
    }
    t->size = t->count * contest_type_size(t->type);
    t->data = aligned_alloc(64, t->size / 64 * 64 + 64);
    if (!t->data) {
        perror("contest");
        exit(1);
    }
    read_bytes(f, t->data, t->size);
}

feeds contest_read_feeds(const char *path, size_t most) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    feeds all = {.count = read_number(f)};
    all.count = all.count < most ? all.count : most;
    all.items = contest_new(all.count, sizeof *all.items);
    for (size_t i = 0; i < all.count; i++) {
        feed *one = &all.items[i];
        one->count = read_number(f);
        one->inputs = contest_new(one->count, sizeof *one->inputs);
        for (size_t j = 0; j < one->count; j++)
            read_tensor(f, &one->inputs[j]);
    }
    fclose(f);
    return all;
}
