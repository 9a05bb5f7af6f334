/* StringNormalizer: texts without stop words, in upper or lower case. */
#include "axes.h"
#include "checked.h"
#include "letter_case.h"
#include "ml_keys.h"
#include "op.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

enum { NONE, LOWER, UPPER };

/* Loading sorts the stop words, and puts them into lower case where case does not matter. */
typedef struct normalizer_params {
    infer_list stopwords, locale;
    int64_t case_change_action, is_case_sensitive;
} normalizer_params;

static const infer_op_attr normalizer_attrs[] = {
    A_LIST(normalizer_params, stopwords, STRINGS),
    A_STRING(normalizer_params, locale, ""),
    A_ENUM(normalizer_params, case_change_action, NONE, "NONE|LOWER|UPPER"),
    A_INT(normalizer_params, is_case_sensitive, 0),
};

/* ---- loading ---- */

/* The languages whose letters change case in ways of their own. */
static infer_status check_locale(const infer_attr *locale) {
    static const char *const own[] = {"tr", "az", "lt"};
    if (locale && locale->type == INFER_ATTR_STRING && locale->count >= 2)
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (memcmp(locale->data, own[i], 2) == 0 &&
                (locale->count == 2 || strchr("_-.@", ((const char *)locale->data)[2])))
                return infer_fail(INFER_ERROR_UNSUPPORTED,
                                  "locale %s has upper and lower case of its own", own[i]);
    return INFER_OK;
}

static int by_text(const void *a, const void *b) {
    return infer_ml_compare_text(*(const infer_string *)a, *(const infer_string *)b);
}

static infer_status set_stopwords(infer_rewriter *rw, const infer_attr *given, bool sensitive) {
    infer_attr sorted = *given;
    infer_string *words = rw->alloc(rw, given->count * sizeof *words);
    if (!words)
        return rw->failed;
    for (size_t i = 0; i < given->count; i++) {
        words[i] = ((const infer_string *)given->data)[i];
        if (sensitive)
            continue;
        size_t room, size;
        if (!infer_mul(words[i].size, 2, &room))
            return infer_fail(INFER_ERROR_MEMORY, "a stop word does not fit memory");
        char *low = rw->alloc(rw, room);
        if (!low)
            return rw->failed;
        INFER_TRY(infer_change_case(words[i], false, low, &size));
        words[i] = (infer_string){low, size};
    }
    if (given->count)
        qsort(words, given->count, sizeof *words, by_text);
    sorted.data = words;
    return rw->set_attr(rw, &sorted);
}

static infer_status normalizer_upgrade(infer_rewriter *rw) {
    const infer_attr *words = rw->attr(rw, "stopwords");
    const infer_attr *sensitive = rw->attr(rw, "is_case_sensitive");
    INFER_TRY(check_locale(rw->attr(rw, "locale")));
    if (!words || words->type != INFER_ATTR_STRINGS)
        return INFER_OK;
    return set_stopwords(rw, words, sensitive && sensitive->i != 0);
}

/* ---- shapes ---- */

static infer_status normalizer_infer(infer_op_env *env) {
    const normalizer_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_STRING, x->rank, &spare);
    if (x->rank < 0)
        return INFER_OK;
    if ((x->rank != 1 && x->rank != 2) || (x->rank == 2 && x->dim[0] >= 0 && x->dim[0] != 1))
        return infer_fail(INFER_ERROR_SHAPE, "the texts are neither [C] nor [1, C]");
    y->dim[0] = 1;
    if (!p->stopwords.count) /* an empty text stands for no texts */
        y->dim[x->rank - 1] = x->dim[x->rank - 1] == 0 ? 1 : x->dim[x->rank - 1];
    else
        y->dim[x->rank - 1] = -1;
    return INFER_OK;
}

/* ---- running ---- */

static bool is_stopword(const infer_op_env *env, infer_string text) {
    const normalizer_params *p = env->params;
    infer_view one = {.type = INFER_TYPE_STRING, .rank = 0, .data = &text};
    uint64_t place;
    return p->stopwords.count && infer_ml_find(env, &p->stopwords, &one, 0, &place);
}

/* The texts in this case, in memory of the run. */
static infer_status change_all(infer_op_env *env, const infer_string *from, size_t n, bool upper,
                               infer_string **to) {
    size_t room = 0, size;
    for (size_t i = 0; i < n; i++)
        if (!infer_mul(from[i].size, 2, &size) || !infer_add(room, size, &room))
            return infer_fail(INFER_ERROR_MEMORY, "the texts do not fit memory");
    char *at = env->alloc(env, room);
    if (!at || !(*to = env->alloc(env, n * sizeof **to)))
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        INFER_TRY(infer_change_case(from[i], upper, at, &size));
        (*to)[i] = (infer_string){at, size};
        at += size;
    }
    return INFER_OK;
}

static infer_status normalizer_run(infer_op_env *env) {
    const normalizer_params *p = env->params;
    const infer_view *x = env->in[0];
    size_t n = (size_t)infer_view_count(x), count = 0;
    infer_string *low = NULL, *changed = x->data;
    const infer_string *compared = x->data;
    if (!env->out[0])
        return INFER_OK;
    if ((p->stopwords.count && !p->is_case_sensitive) || p->case_change_action == LOWER)
        INFER_TRY(change_all(env, x->data, n, false, &low));
    if (p->case_change_action == LOWER)
        changed = low;
    if (p->case_change_action == UPPER)
        INFER_TRY(change_all(env, x->data, n, true, &changed));
    if (!p->is_case_sensitive && low)
        compared = low;
    for (size_t i = 0; i < n; i++)
        count += !is_stopword(env, compared[i]);
    infer_view shape = *env->out[0];
    shape.dim[0] = 1;
    shape.dim[shape.rank - 1] = count ? (int64_t)count : 1;
    INFER_TRY(infer_place(env, 0, &shape));
    infer_string *y = env->out[0]->data;
    *y = (infer_string){"", 0};
    for (size_t i = 0; i < n; i++)
        if (!is_stopword(env, compared[i]))
            *y++ = changed[i];
    return INFER_OK;
}

const infer_op infer_op_string_normalizer = {
    .domain = "",
    .name = "StringNormalizer",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(normalizer_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .attr_count = sizeof normalizer_attrs / sizeof *normalizer_attrs,
    .attrs = normalizer_attrs,
    .types = {T(STRING)},
    .upgrade = normalizer_upgrade,
    .infer = normalizer_infer,
    .run = normalizer_run,
};
