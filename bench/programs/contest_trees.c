/* Peers that know only trees: LightGBM's own single-row call, and functions that lleaves and
 * tl2cgen compiled. They take one row and give one answer. */
#include "contest.h"

#include <stdio.h>
#include <string.h>

typedef struct state {
    void *library;
    const feeds *all;
    float *row;    /* a copy that tl2cgen's function may write into */
    double *wide;  /* all rows in double, for lleaves */
    double result; /* what was answered */
    float narrow;
    size_t features;
    void *fast; /* LightGBM's prepared call */
    int (*predict_fast)(void *, const void *, int64_t *, double *);
    void (*forest_root)(const double *, double *, int32_t, int32_t);
    void (*predict)(void *, int, float *);
} state;

static void *start_lightgbm(const char *library) {
    state *s = contest_new(1, sizeof *s);
    s->library = contest_library(library);
    return s->library ? s : NULL;
}

static int take_feeds(state *s, const feeds *all) {
    s->all = all;
    s->features = all->items[0].inputs[0].count;
    if (all->items[0].count != 1 || all->items[0].inputs[0].type != 1)
        return contest_fail("one row of floats is expected");
    s->row = contest_new(s->features, sizeof *s->row);
    s->wide = contest_new(s->features * all->count, sizeof *s->wide);
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = 0; j < s->features; j++)
            s->wide[i * s->features + j] = (double)((const float *)all->items[i].inputs[0].data)[j];
    return 1;
}

static int open_lightgbm(void *of, const char *model, int *threads, const feeds *all) {
    state *s = of;
    int (*create)(const char *, int *, void **), iterations = 0;
    int (*prepare)(void *, int, int, int, int, int32_t, const char *, void **);
    void *booster,
        *symbols[] = {contest_symbol(s->library, "LGBM_BoosterCreateFromModelfile"),
                      contest_symbol(s->library, "LGBM_BoosterPredictForMatSingleRowFastInit"),
                      contest_symbol(s->library, "LGBM_BoosterPredictForMatSingleRowFast")};
    if (!symbols[0] || !symbols[1] || !symbols[2])
        return 0;
    memcpy(&create, &symbols[0], sizeof create);
    memcpy(&prepare, &symbols[1], sizeof prepare);
    memcpy(&s->predict_fast, &symbols[2], sizeof s->predict_fast);
    *threads = 1;
    if (!take_feeds(s, all))
        return 0;
    /* 0: the prediction as the objective gives it; 0: float rows. */
    if (create(model, &iterations, &booster) ||
        prepare(booster, 0, 0, -1, 0, (int32_t)s->features, "num_threads=1", &s->fast))
        return contest_fail("LightGBM cannot load the model");
    return 1;
}

static int run_lightgbm(void *of, size_t number) {
    state *s = of;
    int64_t count;
    if (s->predict_fast(s->fast, s->all->items[number].inputs[0].data, &count, &s->result))
        return contest_fail("LightGBM cannot predict");
    s->narrow = (float)s->result;
    return 1;
}

static size_t answers(void *of, answer *into) {
    state *s = of;
    into[0] = (answer){&s->narrow, 1, 1};
    return 1;
}

/* The library is the model. */
static void *start_compiled(const char *library) {
    return start_lightgbm(library);
}

static int open_compiled(void *of, const char *model, int *threads, const feeds *all) {
    state *s = of;
    void *root = contest_symbol(s->library, "forest_root"),
         *predict = root ? NULL : contest_symbol(s->library, "predict");
    (void)model;
    *threads = 1;
    memcpy(&s->forest_root, &root, sizeof root);
    memcpy(&s->predict, &predict, sizeof predict);
    return (root || predict) && take_feeds(s, all);
}

static int run_compiled(void *of, size_t number) {
    state *s = of;
    if (s->forest_root) {
        s->forest_root(s->wide + number * s->features, &s->result, 0, 1);
        s->narrow = (float)s->result;
        return 1;
    }
    memcpy(s->row, s->all->items[number].inputs[0].data, s->features * sizeof *s->row);
    s->narrow = 0; /* it adds */
    s->predict(s->row, 0, &s->narrow);
    return 1;
}

const runtime contest_lightgbm = {"lightgbm",   start_lightgbm, open_lightgbm,
                                  run_lightgbm, answers,        NULL};
const runtime contest_compiled = {"compiled",   start_compiled, open_compiled,
                                  run_compiled, answers,        NULL};
