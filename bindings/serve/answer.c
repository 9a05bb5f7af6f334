/* Predictions and values as JSON. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static json_t *tensor(const infer_value *v, uint32_t axis, size_t first, size_t count) {
    if (axis == v->rank)
        return infer_serve_element_out(v, first);
    size_t extent = (size_t)v->shape[axis], step = extent ? count / extent : 0;
    json_t *list = json_array();
    for (size_t i = 0; list && i < extent; i++)
        if (!infer_serve_add(list, tensor(v, axis + 1, first + i * step, step))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* Sets a member by a name of any bytes; takes the value. */
static bool put_named(json_t *object, json_t *name, json_t *value) {
    bool good = name && json_object_setn_new(object, json_string_value(name),
                                             json_string_length(name), value) == 0;
    if (!name)
        json_decref(value);
    json_decref(name);
    return good;
}

static json_t *any(const infer_value *v);

static json_t *map(const infer_value *keys, const infer_value *values) {
    json_t *object = json_object();
    for (size_t i = 0; object && i < keys->count; i++) {
        char number[24];
        json_t *name, *value = values->kind == INFER_KIND_TENSOR
                                   ? infer_serve_element_out(values, i)
                                   : any((const infer_value *)values->data + i);
        json_t *key = infer_serve_element_out(keys, i);
        if (json_is_integer(key)) {
            snprintf(number, sizeof number, "%lld", (long long)json_integer_value(key));
            name = json_string(number);
            json_decref(key);
        } else {
            name = key;
        }
        if (!put_named(object, name, value)) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static json_t *any(const infer_value *v) {
    const infer_value *members = v->data;
    json_t *list;
    switch ((infer_kind)v->kind) {
    case INFER_KIND_TENSOR:
        return tensor(v, 0, 0, v->count);
    case INFER_KIND_MAP:
        return map(&members[0], &members[1]);
    case INFER_KIND_OPTIONAL:
        return v->count ? any(members) : json_null();
    case INFER_KIND_SEQUENCE:
        break;
    default:
        return NULL;
    }
    list = json_array();
    for (size_t i = 0; list && i < v->count; i++)
        if (!infer_serve_add(list, any(&members[i]))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* Whether each tensor in the value has elements that JSON can spell. */
static bool has_json(const infer_value *v) {
    const infer_value *members = v->data;
    if (v->kind == INFER_KIND_TENSOR)
        return infer_serve_has_json((infer_type)v->type);
    bool good = v->kind != INFER_KIND_SPARSE;
    for (size_t i = 0; good && i < (v->kind == INFER_KIND_MAP ? 2 : v->count); i++)
        good = has_json(&members[i]);
    return good;
}

json_t *infer_serve_value(const infer_value *value, const char *name, infer_serve_error *error) {
    if (!has_json(value))
        return infer_serve_fail(error, 500, "output \"%.100s\" has a type that JSON cannot spell",
                                name);
    json_t *json = any(value);
    return json ? json : infer_serve_fail(error, 503, "no memory is left");
}

/* ---- predictions ---- */

/* Whether the graph gave a map of classes to probabilities for each row. */
static bool is_mapped(const infer_serve_result *r) {
    return r->values && r->values->kind == INFER_KIND_SEQUENCE;
}

static json_t *score(const infer_serve *s, const infer_serve_result *r, size_t row, size_t i) {
    size_t at = row * r->width + i;
    if (!r->scores)
        return infer_serve_element_out(r->values, at);
    return s->is_float ? infer_serve_float((float)r->scores[at])
                       : infer_serve_double(r->scores[at]);
}

static json_t *class_label(const infer_serve *s, size_t i) {
    const char *text = infer_model_class(s->model, i);
    if (infer_model_class_type(s->model) == INFER_TYPE_INT64)
        return json_integer(strtoll(text, NULL, 10));
    return infer_serve_string(text, strlen(text));
}

/* The graph's own label where it gives one: not every classifier takes the largest score. */
static json_t *label(const infer_serve *s, const infer_serve_result *r, size_t row) {
    if (r->labels)
        return infer_serve_element_out(r->labels, row);
    const double *scores = r->scores + row * r->width;
    size_t best = 0;
    for (size_t i = 0; i < s->classes; i++) {
        if (isnan(scores[i]))
            return json_null();
        best = scores[i] > scores[best] ? i : best;
    }
    return class_label(s, best);
}

static json_t *probabilities(const infer_serve *s, const infer_serve_result *r, size_t row) {
    if (is_mapped(r))
        return any((const infer_value *)r->values->data + row);
    json_t *object = json_object();
    for (size_t i = 0; object && i < s->classes; i++) {
        const char *text = infer_model_class(s->model, i);
        if (!put_named(object, infer_serve_string(text, strlen(text)), score(s, r, row, i))) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

/* What tutorials call the prediction of a binary classifier: predict_proba's second column. */
static json_t *last_probability(const infer_serve *s, const infer_serve_result *r, size_t row) {
    if (!is_mapped(r))
        return score(s, r, row, r->width - 1);
    json_t *all = probabilities(s, r, row), *value, *last = NULL;
    const char *name;
    json_object_foreach(all, name, value) last = value;
    json_incref(last);
    json_decref(all);
    return last;
}

static json_t *score_list(const infer_serve *s, const infer_serve_result *r, size_t row) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < r->width; i++)
        if (!infer_serve_add(list, score(s, r, row, i))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* A number, or a list of them where the model has several. */
static json_t *regression(const infer_serve *s, const infer_serve_result *r, size_t row) {
    return r->width == 1 ? score(s, r, row, 0) : score_list(s, r, row);
}

/* A member of the answer: its names for one row and for many, and what makes it. */
typedef struct member {
    const char *one, *many;
    json_t *(*make)(const infer_serve *s, const infer_serve_result *r, size_t row);
} member;

static bool put_member(json_t *answer, const infer_serve *s, const infer_serve_result *r,
                       const member *m) {
    if (!r->batch)
        return infer_serve_put(answer, m->one, m->make(s, r, 0));
    json_t *list = json_array();
    for (size_t row = 0; list && row < r->rows; row++)
        if (!infer_serve_add(list, m->make(s, r, row))) {
            json_decref(list);
            list = NULL;
        }
    return infer_serve_put(answer, m->many, list);
}

json_t *infer_serve_answer(const infer_serve *serve, const infer_serve_result *result,
                           infer_serve_error *error) {
    static const member numbers = {"prediction", "predictions", regression};
    static const member of_classifiers[] = {
        {"prediction", "predictions", label},
        {"prediction", "predictions", last_probability},
        {"label", "labels", label},
        {"probabilities", "probabilities", probabilities},
        /* Not a number for each class: margins, or classes without names. */
        {"scores", "scores", score_list},
    };
    bool each = is_mapped(result) || (serve->classes && serve->classes == result->width);
    bool wants_probability = serve->options.probability;
    if (wants_probability && result->labels && !each)
        return infer_serve_fail(error, 500, "the model gives no probability for each class");
    json_t *answer = json_object();
    bool good = answer != NULL;
    if (result->labels || each) {
        good = good && put_member(answer, serve, result, &of_classifiers[wants_probability]) &&
               put_member(answer, serve, result, &of_classifiers[2]);
        if (result->scores || result->values)
            good = good && put_member(answer, serve, result, &of_classifiers[each ? 3 : 4]);
    } else {
        good = good && put_member(answer, serve, result, &numbers);
    }
    if (good)
        return answer;
    json_decref(answer);
    return infer_serve_fail(error, 503, "no memory is left");
}
