/* Tokenizer: texts as lists of tokens, between separators, by a pattern, or letter by letter. */
#include "axes.h"
#include "checked.h"
#include "ms.h"
#include "regex.h"

typedef struct tokenizer_params {
    infer_list separators, tokenexp, pad_value;
    int64_t mark, mincharnum;
} tokenizer_params;

static const infer_op_attr tokenizer_attrs[] = {
    A_LIST(tokenizer_params, separators, STRINGS), A_STRING(tokenizer_params, tokenexp, NULL),
    A_REQUIRED(tokenizer_params, pad_value, STRING), A_REQUIRED(tokenizer_params, mark, INT),
    A_REQUIRED(tokenizer_params, mincharnum, INT)};

/* ---- what is asked for ---- */

static infer_string tokenexp_of(const infer_op_env *env) {
    const tokenizer_params *p = env->params;
    return (infer_string){infer_list_data(env, &p->tokenexp), (size_t)p->tokenexp.count};
}

/* One empty separator, or a pattern of any letter. */
static bool by_letters(bool separated, infer_string first, size_t count) {
    return separated ? count == 1 && first.size == 0 : first.size == 1 && first.data[0] == '.';
}

static infer_status tokenizer_upgrade(infer_rewriter *rw) {
    const tokenizer_params *p = rw->params;
    const infer_attr *separators = rw->attr(rw, "separators"), *exp = rw->attr(rw, "tokenexp");
    const infer_string pattern = exp ? (infer_string){exp->data, exp->count} : (infer_string){0};
    const infer_string *list = separators ? separators->data : &pattern;
    const size_t count = separators ? separators->count : 1;
    if (separators ? count == 0 : pattern.size == 0)
        return infer_fail(INFER_ERROR_VALUE, "there are no separators and no tokenexp");
    if (by_letters(separators != NULL, list[0], count))
        return p->mincharnum < 2
                   ? INFER_OK
                   : infer_fail(INFER_ERROR_VALUE, "mincharnum is %lld, but tokens are letters",
                                (long long)p->mincharnum);
    for (size_t i = 0; i < count; i++)
        INFER_TRY(infer_regex_check(rw, list[i]));
    return INFER_OK;
}

static infer_status tokenizer_infer(infer_op_env *env) {
    const tokenizer_params *p = env->params;
    const infer_view *x = env->in[0];
    const bool empty = infer_view_count(x) == 0;
    infer_view spare;
    if (p->mincharnum < 1)
        return infer_fail(INFER_ERROR_VALUE, "mincharnum is %lld", (long long)p->mincharnum);
    if (p->separators.count == 0 && p->tokenexp.count == 0)
        return infer_fail(INFER_ERROR_VALUE, "there are no separators and no tokenexp");
    if (x->rank == 0 || x->rank > 2)
        return infer_fail(INFER_ERROR_SHAPE, "texts of rank %d", (int)x->rank);
    infer_view *y = infer_out(env, 0, INFER_TYPE_STRING, -1, &spare);
    if (x->rank < 0)
        return INFER_OK;
    y->rank = empty ? x->rank : x->rank + 1; /* no axis of tokens, as onnxruntime has it */
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = x->dim[i];
    if (empty)
        y->dim[x->rank - 1] = 0;
    return INFER_OK;
}

/* ---- tokens ---- */

/* A list that grows in memory of the run. */
typedef struct tokens {
    infer_op_env *env;
    infer_string *list;
    size_t count, room;
} tokens;

static infer_status add(tokens *t, const char *data, size_t size) {
    if (t->count == t->room) {
        size_t room = t->room ? t->room : 32, bytes;
        infer_string *grown = NULL;
        if (infer_mul(room, 2, &room) && infer_mul(room, sizeof *grown, &bytes))
            grown = t->env->alloc(t->env, bytes);
        if (!grown)
            return infer_fail(INFER_ERROR_MEMORY, "%zu tokens do not fit memory", t->count);
        if (t->count)
            memcpy(grown, t->list, t->count * sizeof *grown);
        t->list = grown;
        t->room = room;
    }
    t->list[t->count++] = (infer_string){data, size};
    return INFER_OK;
}

static size_t letters(const char *data, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((uint8_t)data[i] & 0xc0) != 0x80;
    return n;
}

/* Unless it has too few letters. */
static infer_status keep(tokens *t, const char *data, size_t size) {
    const tokenizer_params *p = t->env->params;
    return size && letters(data, size) >= (uint64_t)p->mincharnum ? add(t, data, size) : INFER_OK;
}

/* Bytes of the letter at data; 0 where it is no UTF-8. */
static size_t letter_size(const char *data, size_t left) {
    const uint8_t *c = (const uint8_t *)data;
    const size_t n = c[0] < 0x80                   ? 1
                     : c[0] >= 0xc2 && c[0] < 0xe0 ? 2
                     : c[0] >= 0xe0 && c[0] < 0xf0 ? 3
                     : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                                   : 0;
    for (size_t i = 1; i < n; i++)
        if (i >= left || (c[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static infer_status split_letters(tokens *t, infer_string text) {
    for (size_t i = 0, n; i < text.size; i += n) {
        n = letter_size(text.data + i, text.size - i);
        if (!n)
            return infer_fail(INFER_ERROR_VALUE, "a text is no UTF-8");
        INFER_TRY(add(t, text.data + i, n));
    }
    return INFER_OK;
}

/* What lies between matches, or the matches themselves. A match of nothing passes one letter. */
static infer_status split_by(tokens *t, infer_regex *regex, infer_string text, bool matches) {
    size_t start = 0, begin = 0, end = 0;
    while (start < text.size) {
        INFER_TRY(infer_regex_search(regex, text, start, &begin, &end));
        if (begin > text.size || end > text.size || end < begin)
            break;
        if (matches)
            INFER_TRY(keep(t, text.data + begin, end - begin));
        else
            INFER_TRY(keep(t, text.data + start, begin - start));
        start = end;
        if (begin == end && end < text.size)
            start += letter_size(text.data + end, text.size - end);
        else if (begin == end)
            return INFER_OK;
    }
    return matches || start >= text.size ? INFER_OK : keep(t, text.data + start, text.size - start);
}

/* What each separator leaves is split by the next. spare has the pieces between. */
static infer_status split_all(tokens *t, tokens *spare, infer_regex *const *regexes, size_t count,
                              infer_string text) {
    const size_t first = t->count;
    INFER_TRY(add(t, text.data, text.size));
    for (size_t i = 0; i < count; i++) {
        spare->count = 0;
        for (size_t k = first; k < t->count; k++)
            INFER_TRY(add(spare, t->list[k].data, t->list[k].size));
        t->count = first;
        for (size_t k = 0; k < spare->count; k++)
            INFER_TRY(split_by(t, regexes[i], spare->list[k], false));
    }
    return INFER_OK;
}

/* Tokens of all texts, one after another; ends[i] is where those of text i end. */
static infer_status split(tokens *t, infer_regex *const *regexes, size_t count, size_t *ends) {
    const tokenizer_params *p = t->env->params;
    const infer_view *x = t->env->in[0];
    const infer_string *from = x->data;
    const size_t n = (size_t)infer_view_count(x);
    tokens spare = {.env = t->env};
    for (size_t i = 0; i < n; i++) {
        const infer_string text = from[i].size ? from[i] : (infer_string){"", 0};
        if (!regexes)
            INFER_TRY(split_letters(t, text));
        else if (p->separators.count)
            INFER_TRY(split_all(t, &spare, regexes, count, text));
        else
            INFER_TRY(split_by(t, regexes[0], text, true));
        ends[i] = t->count;
    }
    return INFER_OK;
}

/* Rows of the same number, with marks and what fills them up. */
static infer_status write_rows(infer_op_env *env, const tokens *t, const size_t *ends) {
    const tokenizer_params *p = env->params;
    const infer_view *x = env->in[0];
    const size_t n = (size_t)infer_view_count(x);
    const infer_string pad = {infer_list_data(env, &p->pad_value), (size_t)p->pad_value.count};
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t row = ends[i] - (i ? ends[i - 1] : 0);
        most = row > most ? row : most;
    }
    const bool mark = p->mark && most;
    infer_view shape = {.type = INFER_TYPE_STRING, .rank = x->rank + 1};
    for (int32_t i = 0; i < x->rank; i++)
        shape.dim[i] = x->dim[i];
    shape.dim[x->rank] = (int64_t)(most + (mark ? 2 : 0));
    INFER_TRY(infer_place(env, 0, &shape));
    infer_string *to = env->out[0]->data;
    for (size_t i = 0; i < n; i++) {
        const infer_string *end = to + shape.dim[x->rank];
        if (mark)
            *to++ = (infer_string){"\x02", 1};
        for (size_t k = i ? ends[i - 1] : 0; k < ends[i]; k++)
            *to++ = t->list[k];
        if (mark)
            *to++ = (infer_string){"\x03", 1};
        while (to < end)
            *to++ = pad;
    }
    return INFER_OK;
}

static infer_status tokenizer_run(infer_op_env *env) {
    const tokenizer_params *p = env->params;
    const size_t n = (size_t)infer_view_count(env->in[0]);
    const bool separated = p->separators.count != 0;
    const size_t count = separated ? (size_t)p->separators.count : 1;
    const infer_string first =
        separated ? infer_list_string(env, &p->separators, 0) : tokenexp_of(env);
    tokens t = {.env = env};
    if (!env->out[0] || n == 0)
        return INFER_OK;
    size_t opened = 0, bytes, *ends = NULL;
    infer_regex **regexes = NULL;
    infer_status status = INFER_OK;
    if (!infer_mul(n, sizeof *ends, &bytes) || !(ends = env->alloc(env, bytes)))
        return infer_fail(INFER_ERROR_MEMORY, "%zu texts do not fit memory", n);
    if (!by_letters(separated, first, count)) {
        if (!infer_mul(count, sizeof(infer_regex *), &bytes) || !(regexes = env->alloc(env, bytes)))
            return infer_fail(INFER_ERROR_MEMORY, "%zu separators do not fit memory", count);
        while (opened < count && status == INFER_OK) {
            const infer_string pattern =
                separated ? infer_list_string(env, &p->separators, opened) : first;
            status = infer_regex_open(env, pattern, &regexes[opened]);
            opened += status == INFER_OK;
        }
    }
    if (status == INFER_OK)
        status = split(&t, regexes, count, ends);
    if (status == INFER_OK)
        status = write_rows(env, &t, ends);
    while (opened-- > 0)
        infer_regex_close(regexes[opened]);
    return status;
}

const infer_op infer_op_ms_tokenizer = {
    MS_OP("Tokenizer", 1, 1, 1, 1, tokenizer_infer, tokenizer_run),
    .types = {T(STRING)},
    .flags = INFER_OP_PLACES,
    .upgrade = tokenizer_upgrade,
    .params_size = sizeof(tokenizer_params),
    MS_ATTRS(tokenizer_attrs),
};
