/* TfIdfVectorizer: how often the n-grams of a pool occur in each row.
 *
 * Loading numbers the different words of the pool and makes two hash tables: from words to their
 * numbers, and from a node of the tree of n-grams and the next word's number to the node behind it.
 * Running looks up each word of a row once, then walks numbers. A forged image can make it miss
 * n-grams, nothing else: every table entry is checked where it is used, and probes are counted. */
#include "axes.h"
#include "hash.h"
#include "ml_keys.h"
#include "op.h"
#include "status.h"

#include <string.h>

enum { TF, IDF, TFIDF };

#define PROBES 32 /* places where an entry may stand behind its own */

/* A way from one node of the tree to another. The root is node 0; a node without ways on is told as
 * 0 too. The n-gram that ends there counts in a column, or in none (-1). */
typedef struct edge {
    int32_t from, word, to, column;
} edge;

typedef struct tfidf_params {
    infer_list words;        /* INT64 or STRING */
    infer_list slots;        /* INT32: numbers of words, -1 where empty; a power of two of them */
    infer_list edges;        /* INT32: four for each edge, word -1 where empty; likewise */
    infer_list edge_weights; /* FLOAT: one for each edge, or none */
    int64_t mode, width, max_skip_count, min_gram_length, max_gram_length;
} tfidf_params;

static const infer_op_attr tfidf_attrs[] = {
    A_REQUIRED(tfidf_params, words, TENSOR),        A_REQUIRED(tfidf_params, slots, TENSOR),
    A_REQUIRED(tfidf_params, edges, TENSOR),        A_LIST(tfidf_params, edge_weights, FLOATS),
    A_ENUM(tfidf_params, mode, TF, "TF|IDF|TFIDF"), A_REQUIRED(tfidf_params, width, INT),
    A_REQUIRED(tfidf_params, max_skip_count, INT),  A_REQUIRED(tfidf_params, min_gram_length, INT),
    A_REQUIRED(tfidf_params, max_gram_length, INT),
};

/* ---- hashing ---- */

static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static uint64_t hash_edge(int32_t from, int32_t word) {
    return mix((uint64_t)(uint32_t)from << 32 | (uint32_t)word);
}

static uint64_t hash_word(infer_string word) {
    return infer_hash64(word.data, word.size, 0);
}

static bool same_word(infer_string a, infer_string b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Word i of a list of texts or of INT64: its bytes. */
static infer_string word_of(const infer_view *words, int64_t i) {
    if (words->type == INFER_TYPE_STRING)
        return ((const infer_string *)words->data)[i];
    return (infer_string){(const char *)words->data + (size_t)i * sizeof(int64_t), sizeof(int64_t)};
}

/* ---- loading ---- */

/* The tables as they grow. */
typedef struct tables {
    infer_view pool;  /* the model's */
    infer_view words; /* those that differ, room for all */
    int32_t *slots;
    size_t slot_count;
    edge *edges;
    float *weights; /* of the edges; NULL: none */
    size_t edge_count;
    int32_t nodes;
} tables;

/* Twice as many places as entries, a power of two. */
static size_t table_size(size_t entries) {
    size_t size = 4;
    while (size < 2 * entries)
        size *= 2;
    return size;
}

static infer_status crowded(void) {
    return infer_fail(INFER_ERROR_FORMAT, "the pool cannot be told apart by hashes");
}

/* The number of the pool's word i, a new one where it has none. */
static infer_status number_word(tables *t, int64_t i, int32_t *number) {
    infer_string word = word_of(&t->pool, i);
    uint64_t hash = hash_word(word);
    size_t size = infer_type_size((infer_type)t->pool.type);
    for (size_t k = 0; k < PROBES; k++) {
        int32_t *slot = &t->slots[(hash + k) & (t->slot_count - 1)];
        if (*slot < 0) {
            *slot = (int32_t)t->words.dim[0]++;
            memcpy((char *)t->words.data + (size_t)*slot * size,
                   (const char *)t->pool.data + (size_t)i * size, size);
        } else if (!same_word(word, word_of(&t->words, *slot))) {
            continue;
        }
        *number = *slot;
        return INFER_OK;
    }
    return crowded();
}

/* The edge by this word, a new one where there is none. */
static edge *find_edge(tables *t, int32_t from, int32_t word) {
    uint64_t hash = hash_edge(from, word);
    for (size_t k = 0; k < PROBES; k++) {
        edge *e = &t->edges[(hash + k) & (t->edge_count - 1)];
        if (e->word < 0)
            *e = (edge){from, word, 0, -1};
        if (e->from == from && e->word == word)
            return e;
    }
    return NULL;
}

/* Puts the n-gram whose words begin at `at` into the tree. */
static infer_status add_gram(tables *t, int64_t at, int64_t length, int32_t column, float weight) {
    int32_t node = 0, word = 0;
    for (int64_t i = 0; i < length; i++) {
        INFER_TRY(number_word(t, at + i, &word));
        edge *e = find_edge(t, node, word);
        if (!e)
            return crowded();
        if (i + 1 < length) {
            node = e->to = e->to ? e->to : t->nodes++;
            continue;
        }
        if (e->column >= 0)
            return infer_fail(INFER_ERROR_FORMAT, "an n-gram is twice in the pool");
        e->column = column;
        if (t->weights)
            t->weights[e - t->edges] = weight;
    }
    return INFER_OK;
}

/* A list attribute that may be missing. */
static infer_status read_list(infer_rewriter *rw, const char *name, infer_attr_type type,
                              bool required, infer_attr *list) {
    const infer_attr *given = rw->attr(rw, name);
    *list = (infer_attr){.name = name, .type = type};
    if (!given)
        return required ? infer_fail(INFER_ERROR_FORMAT, "attribute %s is missing", name)
                        : INFER_OK;
    if (given->type != type)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s is of the wrong kind", name);
    *list = *given;
    return INFER_OK;
}

static infer_status read_int(infer_rewriter *rw, const char *name, int64_t *value) {
    const infer_attr *given = rw->attr(rw, name);
    if (!given || given->type != INFER_ATTR_INT)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s is missing or of the wrong kind", name);
    *value = given->i;
    return INFER_OK;
}

typedef struct grams {
    infer_attr counts, columns, weights;
    int64_t shortest, longest, width;
} grams;

static infer_status read_grams(infer_rewriter *rw, grams *g) {
    INFER_TRY(read_list(rw, "ngram_counts", INFER_ATTR_INTS, true, &g->counts));
    INFER_TRY(read_list(rw, "ngram_indexes", INFER_ATTR_INTS, true, &g->columns));
    INFER_TRY(read_list(rw, "weights", INFER_ATTR_FLOATS, false, &g->weights));
    INFER_TRY(read_int(rw, "min_gram_length", &g->shortest));
    INFER_TRY(read_int(rw, "max_gram_length", &g->longest));
    if (g->weights.count && g->weights.count != g->columns.count)
        return infer_fail(INFER_ERROR_FORMAT, "%zu weights for %zu n-grams", g->weights.count,
                          g->columns.count);
    const int64_t *columns = g->columns.data;
    for (size_t i = 0; i < g->columns.count; i++) {
        if (columns[i] < 0 || columns[i] >= INT32_MAX)
            return infer_fail(INFER_ERROR_FORMAT, "ngram_indexes has %lld", (long long)columns[i]);
        g->width = columns[i] >= g->width ? columns[i] + 1 : g->width;
    }
    return INFER_OK;
}

/* Goes through the pool, length by length; those that do not count are passed over. */
static infer_status add_grams(tables *t, const grams *g) {
    const int64_t *counts = g->counts.data, *columns = g->columns.data, all = t->pool.dim[0];
    const float *weights = g->weights.data;
    size_t gram = 0;
    for (size_t i = 0; i < g->counts.count; i++) {
        int64_t length = (int64_t)i + 1, at = counts[i];
        int64_t end = i + 1 < g->counts.count ? counts[i + 1] : all;
        if (at < 0 || at > end || end > all || (end - at) % length)
            return infer_fail(INFER_ERROR_FORMAT, "ngram_counts do not divide a pool of %lld words",
                              (long long)all);
        for (; at < end; at += length, gram++) {
            if (gram >= g->columns.count)
                return infer_fail(INFER_ERROR_FORMAT,
                                  "the pool has more n-grams than the %zu of "
                                  "ngram_indexes",
                                  g->columns.count);
            if (length >= g->shortest && length <= g->longest)
                INFER_TRY(add_gram(t, at, length, (int32_t)columns[gram],
                                   g->weights.count ? weights[gram] : 1));
        }
    }
    return INFER_OK;
}

static infer_status set_ints(infer_rewriter *rw, const char *name, void *data, size_t count) {
    infer_view v = {.type = INFER_TYPE_INT32, .rank = 1, .dim = {(int64_t)count}, .data = data};
    return infer_ml_set_list(rw, name, &v);
}

/* Memory for the tables: at most one word and one edge for each word of the pool. */
static infer_status make_tables(infer_rewriter *rw, tables *t, bool weighted) {
    size_t n = (size_t)t->pool.dim[0];
    if (n > INT32_MAX / 16)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "a pool of %zu words", n);
    t->slot_count = t->edge_count = table_size(n);
    t->nodes = 1;
    t->words = t->pool;
    t->words.dim[0] = 0;
    t->words.data = rw->alloc(rw, n * sizeof(infer_string));
    t->slots = rw->alloc(rw, t->slot_count * sizeof *t->slots);
    t->edges = rw->alloc(rw, t->edge_count * sizeof *t->edges);
    t->weights = weighted ? rw->alloc(rw, t->edge_count * sizeof *t->weights) : NULL;
    if (rw->failed != INFER_OK)
        return rw->failed;
    for (size_t i = 0; i < t->slot_count; i++)
        t->slots[i] = -1;
    for (size_t i = 0; i < t->edge_count; i++)
        t->edges[i] = (edge){0, -1, 0, -1};
    for (size_t i = 0; weighted && i < t->edge_count; i++)
        t->weights[i] = 0;
    return INFER_OK;
}

static infer_status tfidf_upgrade(infer_rewriter *rw) {
    static const char *const own[] = {"words", "slots", "edges", "edge_weights", "width"};
    static const char *const old[] = {"ngram_counts", "ngram_indexes", "weights"};
    tables t = {0};
    grams g = {0};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (rw->attr(rw, own[i]))
            return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute %s is not known", own[i]);
    INFER_TRY(read_grams(rw, &g));
    INFER_TRY(infer_ml_take_list(rw, "pool_int64s", "pool_strings", &t.pool));
    INFER_TRY(make_tables(rw, &t, g.weights.count > 0));
    INFER_TRY(add_grams(&t, &g));
    infer_attr weights = {.name = "edge_weights",
                          .type = INFER_ATTR_FLOATS,
                          .count = t.edge_count,
                          .data = t.weights};
    if (t.weights)
        INFER_TRY(rw->set_attr(rw, &weights));
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        rw->drop_attr(rw, old[i]);
    INFER_TRY(infer_ml_set_list(rw, "words", &t.words));
    INFER_TRY(set_ints(rw, "slots", t.slots, t.slot_count));
    INFER_TRY(set_ints(rw, "edges", t.edges, 4 * t.edge_count));
    return infer_set_int(rw, "width", g.width);
}

/* ---- shapes ---- */

static bool is_power(uint64_t n) {
    return n && !(n & (n - 1));
}

static infer_status check_tables(const tfidf_params *p, uint8_t type) {
    bool text = type == INFER_TYPE_STRING;
    uint32_t words = text ? INFER_TYPE_STRING : INFER_TYPE_INT64;
    if (p->words.type != words)
        return infer_fail(INFER_ERROR_TYPE, "a pool of %s for an input of %s",
                          infer_type_name((infer_type)p->words.type),
                          infer_type_name((infer_type)type));
    if (p->slots.type != INFER_TYPE_INT32 || p->edges.type != INFER_TYPE_INT32 ||
        !is_power(p->slots.count) || p->edges.count % 4 || !is_power(p->edges.count / 4) ||
        (p->edge_weights.count && p->edge_weights.count != p->edges.count / 4) || p->width < 0 ||
        p->width > INT32_MAX)
        return infer_fail(INFER_ERROR_FORMAT, "the tables do not fit each other");
    if (p->min_gram_length < 1 || p->max_gram_length < p->min_gram_length || p->max_skip_count < 0)
        return infer_fail(INFER_ERROR_VALUE, "n-grams of %lld to %lld words, %lld skipped",
                          (long long)p->min_gram_length, (long long)p->max_gram_length,
                          (long long)p->max_skip_count);
    return INFER_OK;
}

static infer_status tfidf_infer(infer_op_env *env) {
    const tfidf_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_FLOAT, x->rank, &spare);
    INFER_TRY(check_tables(p, x->type));
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 1 && x->rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "an input of rank %d instead of 1 or 2", (int)x->rank);
    y->dim[0] = x->dim[0];
    y->dim[x->rank - 1] = p->width;
    int64_t words = x->dim[x->rank - 1];
    env->scratch_size = words > 0 ? (size_t)words * sizeof(int32_t) : 0; /* their numbers */
    return INFER_OK;
}

/* ---- running ---- */

typedef struct run {
    const infer_op_env *env;
    const tfidf_params *p;
    const int32_t *slots;
    const edge *edges;
    const float *weights;
    const int64_t *ints; /* the pool's, where it is of integers */
    int32_t *row;        /* the numbers of a row's words, -1 where the pool does not have them */
    int64_t size;
} run;

static int32_t find_word(const run *r, infer_string word) {
    uint64_t hash = hash_word(word);
    for (size_t k = 0; k < PROBES; k++) {
        int32_t number = r->slots[(hash + k) & (r->p->slots.count - 1)];
        if (number < 0 || (uint64_t)number >= r->p->words.count)
            return -1;
        infer_string there = r->ints
                                 ? (infer_string){(const char *)&r->ints[number], sizeof *r->ints}
                                 : infer_list_string(r->env, &r->p->words, (uint64_t)number);
        if (same_word(word, there))
            return number;
    }
    return -1;
}

static const edge *follow(const run *r, int32_t from, int32_t word) {
    uint64_t hash = hash_edge(from, word), mask = r->p->edges.count / 4 - 1;
    for (size_t k = 0; k < PROBES; k++) {
        const edge *e = &r->edges[(hash + k) & mask];
        if (e->from == from && e->word == word)
            return e;
        if (e->word < 0)
            return NULL;
    }
    return NULL;
}

static void count_gram(const run *r, const edge *e, float *y) {
    if (e->column < 0 || e->column >= r->p->width)
        return;
    float weight = r->weights ? r->weights[e - r->edges] : 1;
    if (r->p->mode == IDF)
        y[e->column] = weight;
    else
        y[e->column] += r->p->mode == TF ? 1 : weight;
}

/* The n-grams whose words stand `distance` apart, of at least `shortest` words. */
static void count_row(const run *r, int64_t distance, int64_t shortest, float *y) {
    for (int64_t start = 0; start < r->size; start++) {
        int32_t node = 0;
        int64_t length = 1;
        for (int64_t i = start; i < r->size; i += distance, length++) {
            const edge *e = r->row[i] < 0 ? NULL : follow(r, node, r->row[i]);
            if (!e)
                break;
            if (length >= shortest)
                count_gram(r, e, y);
            node = e->to;
            if (node <= 0 || length == r->p->max_gram_length)
                break;
        }
    }
}

static void number_row(const run *r, const infer_view *x, int64_t first) {
    for (int64_t i = 0; i < r->size; i++) {
        int64_t whole = r->ints ? infer_index(x, first + i) : 0;
        infer_string word = r->ints ? (infer_string){(const char *)&whole, sizeof whole}
                                    : ((const infer_string *)x->data)[first + i];
        r->row[i] = find_word(r, word);
    }
}

static infer_status tfidf_run(infer_op_env *env) {
    const tfidf_params *p = env->params;
    const infer_view *x = env->in[0];
    if (!env->out[0])
        return INFER_OK;
    bool text = x->type == INFER_TYPE_STRING;
    run r = {.env = env,
             .p = p,
             .slots = infer_list_data(env, &p->slots),
             .edges = infer_list_data(env, &p->edges),
             .weights = p->edge_weights.count ? infer_list_data(env, &p->edge_weights) : NULL,
             .ints = text ? NULL : infer_list_data(env, &p->words),
             .row = env->scratch,
             .size = x->dim[x->rank - 1]};
    int64_t rows = x->rank == 2 ? x->dim[0] : 1;
    int64_t farthest = p->max_skip_count < r.size ? p->max_skip_count : r.size;
    float *y = env->out[0]->data;
    for (int64_t i = 0; i < rows; i++, y += p->width) {
        if (p->width)
            memset(y, 0, (size_t)p->width * sizeof *y);
        number_row(&r, x, i * r.size);
        /* One word alone is the same at every distance, and counts once. */
        for (int64_t skip = 0; skip <= farthest; skip++) {
            bool again = skip > 0 && p->min_gram_length == 1;
            if (again && p->max_gram_length == 1)
                break;
            count_row(&r, skip + 1, again ? 2 : p->min_gram_length, y);
        }
    }
    return INFER_OK;
}

const infer_op infer_op_tf_idf_vectorizer = {
    .domain = "",
    .name = "TfIdfVectorizer",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(tfidf_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof tfidf_attrs / sizeof *tfidf_attrs,
    .attrs = tfidf_attrs,
    .types = {T(STRING) | T_INDEX},
    .upgrade = tfidf_upgrade,
    .infer = tfidf_infer,
    .run = tfidf_run,
};
