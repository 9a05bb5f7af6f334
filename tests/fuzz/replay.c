/* Runs a fuzz target over files: the corpus as a regression test, where no fuzzer is at hand. */
#define _POSIX_C_SOURCE 200809L
#include "exercise.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static size_t replayed;

/* The bytes stand in a block of exactly their size, so that reading beyond them shows. */
static int replay_file(const char *path, size_t size) {
    FILE *f = fopen(path, "rb");
    uint8_t *data = f ? malloc(size ? size : 1) : NULL;
    int ok = data && fread(data, 1, size, f) == size;
    if (ok) {
        LLVMFuzzerTestOneInput(data, size);
        replayed++;
    } else {
        fprintf(stderr, "replay: cannot read %s\n", path);
    }
    free(data);
    if (f)
        fclose(f);
    return ok;
}

static int replay(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        return 0;
    }
    if (!S_ISDIR(st.st_mode))
        return replay_file(path, (size_t)st.st_size);
    DIR *dir = opendir(path);
    int ok = dir != NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char inner[PATH_MAX];
        int n = snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            ok = n > 0 && (size_t)n < sizeof inner && replay(inner) && ok;
    }
    if (dir)
        closedir(dir);
    return ok;
}

int main(int argc, char **argv) {
    int ok = 1;
    for (int i = 1; i < argc; i++)
        ok = replay(argv[i]) && ok;
    printf("%zu files replayed\n", replayed);
    return !ok ? 1 : replayed ? 0 : 77;
}
