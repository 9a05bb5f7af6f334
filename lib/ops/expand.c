/* Expansion: an operator as other operators, written as a few lines of text (see op.h). */
#define _POSIX_C_SOURCE 200809L
#include "op.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

#define NAMES 64 /* values that a text may name */
#define PORTS 8  /* inputs or outputs of a node */
#define ATTRS 8
#define LIST  16 /* numbers in a list */
#define WORD  48 /* letters of a name */

typedef struct parser {
    infer_rewriter *rw;
    const char *at;
    const infer_producer *attrs_of; /* NULL: the node's attributes */
    uint32_t *results;              /* NULL: the node's outputs */
    struct {
        char name[WORD];
        uint32_t value;
    } names[NAMES];
    size_t count;
    infer_attr attrs[ATTRS];
    uint32_t attr_count;
    int64_t ints[ATTRS][LIST];
    float floats[ATTRS][LIST];
    char words[ATTRS][WORD];
} parser;

/* Texts are ours: a wrong one is a defect that the operator's first test meets. */
static infer_status wrong(const parser *p, const char *why) {
    return infer_fail(INFER_ERROR_STATE, "expansion: %s at \"%.30s\"", why, p->at);
}

/* ---- words ---- */

static void skip(parser *p) {
    p->at += strspn(p->at, " \n");
}

static bool accept(parser *p, char c) {
    skip(p);
    if (*p->at != c)
        return false;
    p->at++;
    return true;
}

static infer_status expect(parser *p, char c) {
    char why[] = "expected ?";
    why[9] = c;
    return accept(p, c) ? INFER_OK : wrong(p, why);
}

static infer_status word(parser *p, const char *letters, char *to) {
    skip(p);
    size_t n = strspn(p->at, letters);
    if (n == 0 || n >= WORD)
        return wrong(p, "expected a name");
    memcpy(to, p->at, n);
    to[n] = 0;
    p->at += n;
    return INFER_OK;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"

/* ---- attributes ---- */

/* A number, with a dot where it is no integer. */
static bool number(parser *p, int64_t *i, float *f) {
    char *end;
    skip(p);
    size_t n = strspn(p->at, "+-0123456789.e");
    bool real = memchr(p->at, '.', n) != NULL;
    *i = strtoll(p->at, &end, 10);
    *f = (float)*i;
    if (real)
        *f = strtof(p->at, &end);
    p->at = end;
    return real;
}

static infer_status list(parser *p, infer_attr *a, int64_t *ints, float *floats) {
    bool real = false;
    while (!accept(p, ']')) {
        if (a->count == LIST)
            return wrong(p, "the list is too long");
        real = number(p, &ints[a->count], &floats[a->count]) || real;
        a->count++;
        accept(p, ',');
    }
    a->type = real ? INFER_ATTR_FLOATS : INFER_ATTR_INTS;
    a->data = real ? (void *)floats : (void *)ints;
    return INFER_OK;
}

static const infer_attr *given_attr(const parser *p, const char *name) {
    if (!p->attrs_of)
        return p->rw->attr(p->rw, name);
    for (uint32_t i = 0; i < p->attrs_of->attr_count; i++)
        if (strcmp(p->attrs_of->attrs[i].name, name) == 0)
            return &p->attrs_of->attrs[i];
    return NULL;
}

static infer_status attribute(parser *p) {
    uint32_t k = p->attr_count;
    if (k == ATTRS)
        return wrong(p, "too many attributes");
    infer_attr *a = &p->attrs[k];
    *a = (infer_attr){.name = p->words[k]};
    INFER_TRY(word(p, LETTERS, p->words[k]));
    INFER_TRY(expect(p, '='));
    if (accept(p, '%')) {
        char name[WORD];
        INFER_TRY(word(p, LETTERS, name));
        const infer_attr *given = given_attr(p, name);
        if (!given)
            return INFER_OK;
        *a = *given;
        a->name = p->words[k];
    } else if (accept(p, '"')) {
        size_t n = strcspn(p->at, "\"");
        a->type = INFER_ATTR_STRING;
        a->data = p->at;
        a->count = n;
        p->at += n + 1;
    } else if (accept(p, '[')) {
        INFER_TRY(list(p, a, p->ints[k], p->floats[k]));
    } else {
        a->type = number(p, &a->i, &a->f) ? INFER_ATTR_FLOAT : INFER_ATTR_INT;
    }
    p->attr_count++;
    return INFER_OK;
}

/* ---- values ---- */

static infer_status find(const parser *p, const char *name, uint32_t *value) {
    for (size_t i = p->count; i-- > 0;)
        if (strcmp(p->names[i].name, name) == 0) {
            *value = p->names[i].value;
            return INFER_OK;
        }
    return wrong(p, "no such value before");
}

/* A scalar of the type of the node's first input. */
static infer_status scalar(parser *p, uint32_t *value) {
    int64_t i;
    float f;
    uint32_t first = p->rw->input(p->rw, 0);
    infer_view v = {.type = INFER_TYPE_FLOAT, .data = &f};
    number(p, &i, &f);
    INFER_TRY(expect(p, '}'));
    *value = p->rw->constant(p->rw, &v);
    if (first == INFER_NO_VALUE || p->rw->view(p->rw, first)->type == INFER_TYPE_FLOAT)
        return p->rw->failed;
    infer_attr to = {.name = "to", .type = INFER_ATTR_INT, .i = p->rw->view(p->rw, first)->type};
    *value = p->rw->add(p->rw, "", "Cast", value, 1, &to, 1);
    return p->rw->failed;
}

static infer_status constant_list(parser *p, uint32_t *value) {
    int64_t ints[LIST];
    float floats[LIST];
    infer_attr a = {0};
    INFER_TRY(list(p, &a, ints, floats));
    infer_view v = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {(int64_t)a.count}, .data = ints};
    *value = p->rw->constant(p->rw, &v);
    return p->rw->failed;
}

static infer_status input(parser *p, uint32_t *value) {
    char name[WORD];
    *value = INFER_NO_VALUE;
    skip(p);
    if (*p->at == ',' || *p->at == ')')
        return INFER_OK;
    if (accept(p, '{'))
        return scalar(p, value);
    if (accept(p, '['))
        return constant_list(p, value);
    if (accept(p, '$')) {
        INFER_TRY(word(p, "0123456789", name));
        *value = p->rw->input(p->rw, (uint32_t)atoi(name));
        return INFER_OK;
    }
    INFER_TRY(word(p, LETTERS, name));
    return find(p, name, value);
}

/* ---- nodes ---- */

static infer_status define(parser *p, const char *name, uint32_t value) {
    if (name[0] == '@' && p->results) {
        p->results[atoi(name + 1)] = value;
        return INFER_OK;
    }
    if (name[0] == '@')
        return p->rw->replace(p->rw, (uint32_t)atoi(name + 1), value);
    if (p->count == NAMES)
        return wrong(p, "too many values");
    memcpy(p->names[p->count].name, name, WORD);
    p->names[p->count++].value = value;
    return INFER_OK;
}

static infer_status node(parser *p) {
    char names[PORTS][WORD], path[WORD], *op = path;
    uint32_t inputs[PORTS], outputs[PORTS], in_count = 0, out_count = 0;
    do {
        if (out_count == PORTS)
            return wrong(p, "too many outputs");
        INFER_TRY(word(p, LETTERS "@", names[out_count++]));
    } while (accept(p, ','));
    INFER_TRY(expect(p, '='));
    INFER_TRY(word(p, LETTERS ".", path));
    const char *domain = "";
    char *dot = strrchr(path, '.');
    if (dot) {
        *dot = 0;
        domain = path;
        op = dot + 1;
    }
    p->attr_count = 0;
    if (accept(p, '<')) {
        do
            INFER_TRY(attribute(p));
        while (accept(p, ','));
        INFER_TRY(expect(p, '>'));
    }
    INFER_TRY(expect(p, '('));
    do {
        if (in_count == PORTS)
            return wrong(p, "too many inputs");
        INFER_TRY(input(p, &inputs[in_count++]));
    } while (accept(p, ','));
    INFER_TRY(expect(p, ')'));
    if (in_count == 1 && inputs[0] == INFER_NO_VALUE)
        in_count = 0;
    INFER_TRY(p->rw->add_many(p->rw, domain, op, inputs, in_count, p->attrs, p->attr_count, outputs,
                              out_count));
    for (uint32_t i = 0; i < out_count; i++)
        INFER_TRY(define(p, names[i], outputs[i]));
    return INFER_OK;
}

infer_status infer_expand_with(infer_rewriter *rw, const char *nodes, const infer_named *given,
                               size_t given_count, const infer_producer *attrs, uint32_t *results) {
    parser p = {.rw = rw, .at = nodes, .attrs_of = attrs, .results = results};
    for (size_t i = 0; i < given_count; i++) {
        char name[WORD] = "";
        memcpy(name, given[i].name, strnlen(given[i].name, WORD - 1));
        INFER_TRY(define(&p, name, given[i].value));
    }
    for (skip(&p); *p.at; skip(&p))
        INFER_TRY(node(&p));
    return INFER_OK;
}

infer_status infer_expanded(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_FORMAT, "this operator cannot stand in an image");
}

infer_status infer_expand(infer_rewriter *rw, const char *nodes) {
    return infer_expand_with(rw, nodes, NULL, 0, NULL, NULL);
}
