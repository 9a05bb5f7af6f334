/* Regular expressions: RegexFullMatch, texts that a pattern matches as a whole, and the search for
 * patterns that others share.
 *
 * The pattern is compiled by PCRE2 at each run, in memory of the run: some microseconds, and
 * nothing has to be kept. PCRE2 goes back and forth where RE2 does not, so that the steps of a text
 * are limited: in proportion to its size, far beyond what sound patterns need. */
#include "regex.h"
#include "regex_syntax.h"

#include "elementwise.h"
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct regex_params {
    infer_list pattern;
} regex_params;

static const infer_op_attr regex_attrs[] = {A_REQUIRED(regex_params, pattern, STRING)};

#define PATTERN_MOST 100000 /* bytes of a pattern */

#ifdef INFER_HAVE_PCRE2

#include "library.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

INFER_LIBRARY(pcre2_library, INFER_PCRE2_FUNCTIONS)

#define STEPS       100000u /* of every text */
#define STEPS_BYTE  1000u   /* and of each of its bytes */
#define HEAP_MOST   65536u  /* KiB that matching may take */
#define NESTED_MOST 250     /* groups in groups */
#define ROOM        4096    /* numbers that a search may take */

/* Memory of a run for PCRE2. It never goes back, but the piece freed last is used again. */
typedef struct piece {
    size_t size;
    _Alignas(16) char bytes[];
} piece;

typedef struct heap {
    infer_op_env *env;
    piece *spare;
} heap;

static void *take(size_t size, void *owner) {
    heap *h = owner;
    piece *p = h->spare;
    if (p && p->size >= size) {
        h->spare = NULL;
        return p->bytes;
    }
    if (size > SIZE_MAX - sizeof *p || !(p = h->env->alloc(h->env, size + sizeof *p)))
        return NULL;
    p->size = size;
    return p->bytes;
}

static void give_back(void *bytes, void *owner) {
    heap *h = owner;
    if (!bytes)
        return;
    piece *p = (piece *)((char *)bytes - offsetof(piece, bytes));
    if (!h->spare || h->spare->size < p->size)
        h->spare = p;
}

/* A pattern, compiled, and what matching needs. */
typedef struct infer_regex {
    pcre2_library f;
    pcre2_general_context *general; /* NULL: memory of the C library */
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    heap heap;
    const char *checked; /* the text that is known to be UTF-8 */
    int room[ROOM];      /* of a search */
} matcher;

#define WHOLE (PCRE2_ANCHORED | PCRE2_ENDANCHORED)

static infer_status compile(matcher *m, infer_string pattern, uint32_t options) {
    int error = 0;
    size_t at = 0;
    unsigned char text[120];
    pcre2_compile_context *context = m->f.pcre2_compile_context_create_8(m->general);
    if (!context)
        return infer_fail(INFER_ERROR_MEMORY, "PCRE2 got no memory");
    m->f.pcre2_set_newline_8(context, PCRE2_NEWLINE_LF);
    m->f.pcre2_set_parens_nest_limit_8(context, NESTED_MOST);
    m->code = m->f.pcre2_compile_8((PCRE2_SPTR)pattern.data, pattern.size,
                                   PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
                                       PCRE2_NEVER_BACKSLASH_C | options,
                                   &error, &at, context);
    m->f.pcre2_compile_context_free_8(context);
    if (m->code)
        return INFER_OK;
    if (error == PCRE2_ERROR_HEAP_FAILED)
        return infer_fail(INFER_ERROR_MEMORY, "PCRE2 got no memory");
    m->f.pcre2_get_error_message_8(error, text, sizeof text);
    return infer_fail(INFER_ERROR_VALUE, "the pattern cannot be used: %s", (const char *)text);
}

static infer_status prepare_match(matcher *m) {
    m->data = m->f.pcre2_match_data_create_8(1, m->general);
    m->context = m->f.pcre2_match_context_create_8(m->general);
    if (!m->data || !m->context)
        return infer_fail(INFER_ERROR_MEMORY, "PCRE2 got no memory");
    m->f.pcre2_set_heap_limit_8(m->context, HEAP_MOST);
    return INFER_OK;
}

static void limit_steps(matcher *m, infer_string text) {
    size_t steps = text.size < UINT32_MAX / STEPS_BYTE - STEPS / STEPS_BYTE - 1
                       ? STEPS + STEPS_BYTE * text.size
                       : UINT32_MAX;
    m->f.pcre2_set_match_limit_8(m->context, (uint32_t)steps);
    m->f.pcre2_set_depth_limit_8(m->context, (uint32_t)steps);
}

static infer_status give_up(const matcher *m, infer_string text, int error) {
    unsigned char why[120];
    if (error == PCRE2_ERROR_NOMEMORY)
        return infer_fail(INFER_ERROR_MEMORY, "PCRE2 got no memory");
    m->f.pcre2_get_error_message_8(error, why, sizeof why);
    return infer_fail(INFER_ERROR_LIMIT, "a text of %zu bytes: %s", text.size, (const char *)why);
}

static bool is_no_text(int error) {
    return error <= PCRE2_ERROR_UTF8_ERR1 && error >= PCRE2_ERROR_UTF8_ERR21;
}

/* What is no UTF-8 matches nothing. */
static infer_status match(matcher *m, infer_string text, uint8_t *matches) {
    limit_steps(m, text);
    int found = m->f.pcre2_match_8(m->code, (PCRE2_SPTR)(text.size ? text.data : ""), text.size, 0,
                                   0, m->data, m->context);
    *matches = found >= 0;
    return found >= 0 || found == PCRE2_ERROR_NOMATCH || is_no_text(found)
               ? INFER_OK
               : give_up(m, text, found);
}

static void finish(matcher *m) {
    m->f.pcre2_match_context_free_8(m->context);
    m->f.pcre2_match_data_free_8(m->data);
    m->f.pcre2_code_free_8(m->code);
    m->f.pcre2_general_context_free_8(m->general);
}

/* env NULL: while loading. */
static infer_status begin(matcher *m, infer_op_env *env) {
    *m = (matcher){.heap = {.env = env}};
    INFER_TRY(infer_library_open(INFER_LIBRARY_PCRE2, &m->f));
    if (env && !(m->general = m->f.pcre2_general_context_create_8(take, give_back, &m->heap)))
        return infer_fail(INFER_ERROR_MEMORY, "PCRE2 got no memory");
    return INFER_OK;
}

static infer_status try_pattern(infer_string pattern, bool whole) {
    matcher m;
    INFER_TRY(begin(&m, NULL));
    infer_status status = compile(&m, pattern, whole ? WHOLE : 0);
    finish(&m);
    return status;
}

static infer_status match_all(infer_op_env *env, infer_string pattern) {
    matcher m;
    INFER_TRY(begin(&m, env));
    infer_status status = compile(&m, pattern, WHOLE);
    if (status == INFER_OK)
        status = prepare_match(&m);
    const infer_string *x = env->in[0]->data;
    int64_t n = infer_view_count(env->in[0]);
    for (int64_t i = 0; i < n && status == INFER_OK; i++)
        status = match(&m, x[i], (uint8_t *)env->out[0]->data + i);
    finish(&m);
    return status;
}

static infer_status open_search(infer_op_env *env, infer_string pattern, infer_regex **regex) {
    matcher *m = env->alloc(env, sizeof *m);
    if (!m)
        return INFER_ERROR_MEMORY;
    INFER_TRY(begin(m, env));
    infer_status status = compile(m, pattern, 0);
    if (status == INFER_OK)
        status = prepare_match(m);
    if (status == INFER_OK)
        *regex = m;
    else
        finish(m);
    return status;
}

void infer_regex_close(infer_regex *regex) {
    finish(regex);
}

/* The other one of PCRE2's algorithms finds the longest matches. */
infer_status infer_regex_search(infer_regex *m, infer_string text, size_t from, size_t *begin,
                                size_t *end) {
    const char *data = text.size ? text.data : "";
    limit_steps(m, text);
    int found = m->f.pcre2_dfa_match_8(m->code, (PCRE2_SPTR)data, text.size, from,
                                       from && m->checked == data ? PCRE2_NO_UTF_CHECK : 0, m->data,
                                       m->context, m->room, ROOM);
    *begin = *end = SIZE_MAX;
    if (is_no_text(found))
        return infer_fail(INFER_ERROR_VALUE, "a text is no UTF-8");
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return give_up(m, text, found);
    m->checked = data;
    if (found >= 0) {
        const PCRE2_SIZE *places = m->f.pcre2_get_ovector_pointer_8(m->data);
        *begin = places[0];
        *end = places[1];
    }
    return INFER_OK;
}

#else

static infer_status try_pattern(infer_string pattern, bool whole) {
    (void)whole;
    (void)pattern;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "libinfer was built without PCRE2");
}

static infer_status match_all(infer_op_env *env, infer_string pattern) {
    (void)env;
    return try_pattern(pattern, true);
}

static infer_status open_search(infer_op_env *env, infer_string pattern, infer_regex **regex) {
    (void)env, (void)regex;
    return try_pattern(pattern, false);
}

void infer_regex_close(infer_regex *regex) {
    (void)regex;
}

infer_status infer_regex_search(infer_regex *regex, infer_string text, size_t from, size_t *begin,
                                size_t *end) {
    (void)regex, (void)text, (void)from, (void)begin, (void)end;
    return try_pattern(text, false);
}

#endif

static infer_status too_long(size_t size) {
    return size <= PATTERN_MOST
               ? INFER_OK
               : infer_fail(INFER_ERROR_LIMIT, "a pattern of %zu bytes; %d are possible", size,
                            PATTERN_MOST);
}

static infer_status check_pattern(infer_rewriter *rw, infer_string pattern, bool whole) {
    size_t size;
    INFER_TRY(too_long(pattern.size));
    char *text = rw->alloc(rw, INFER_REGEX_ROOM(pattern.size));
    if (!text)
        return rw->failed;
    INFER_TRY(infer_regex_translate(pattern, text, &size));
    return try_pattern((infer_string){text, size}, whole);
}

infer_status infer_regex_check(infer_rewriter *rw, infer_string pattern) {
    return check_pattern(rw, pattern, false);
}

static infer_status regex_upgrade(infer_rewriter *rw) {
    const infer_attr *a = rw->attr(rw, "pattern");
    if (!a || a->type != INFER_ATTR_STRING)
        return INFER_OK; /* binding says so */
    return check_pattern(rw, (infer_string){a->data, a->count}, true);
}

/* The pattern as PCRE2 writes it, in memory of the run. */
static infer_status translate(infer_op_env *env, infer_string pattern, infer_string *to) {
    size_t size;
    INFER_TRY(too_long(pattern.size));
    char *text = env->alloc(env, INFER_REGEX_ROOM(pattern.size));
    if (!text)
        return INFER_ERROR_MEMORY;
    INFER_TRY(infer_regex_translate(pattern, text, &size));
    *to = (infer_string){text, size};
    return INFER_OK;
}

infer_status infer_regex_open(infer_op_env *env, infer_string pattern, infer_regex **regex) {
    infer_string text;
    INFER_TRY(translate(env, pattern, &text));
    return open_search(env, text, regex);
}

static infer_status regex_infer(infer_op_env *env) {
    const regex_params *p = env->params;
    INFER_TRY(too_long((size_t)p->pattern.count));
    return infer_like_first(env, INFER_TYPE_BOOL);
}

static infer_status regex_run(infer_op_env *env) {
    const regex_params *p = env->params;
    infer_string text, pattern = {infer_list_data(env, &p->pattern), (size_t)p->pattern.count};
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(translate(env, pattern, &text));
    return match_all(env, text);
}

const infer_op infer_op_regex_full_match = {
    .domain = "",
    .name = "RegexFullMatch",
    .since = 20,
    .newest = 27,
    .params_size = sizeof(regex_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof regex_attrs / sizeof *regex_attrs,
    .attrs = regex_attrs,
    .types = {T(STRING)},
    .upgrade = regex_upgrade,
    .infer = regex_infer,
    .run = regex_run,
};
