/* A handler of one's own for a queue of Azure Functions: orders in, decisions out.
 *
 * The model was trained on log(amount), the number of items, and whether the order came at night; a
 * message says {"order": "A-1", "amount": 120.5, "items": 3, "hour": 23}. */
#include <math.h>

#include "serve.h"

static json_t *make_features(const json_t *order, infer_serve_error *error) {
    const json_t *amount = json_object_get(order, "amount"),
                 *items = json_object_get(order, "items");
    const json_t *hour = json_object_get(order, "hour");
    json_int_t at = json_integer_value(hour);
    if (!json_is_number(amount) || json_number_value(amount) <= 0)
        return infer_serve_fail(error, 422, "amount has to be a number above 0");
    if (!json_is_integer(items) || !json_is_integer(hour) || at < 0 || at > 23)
        return infer_serve_fail(error, 422,
                                "items and hour have to be integers, hour from 0 to 23");
    return json_pack("{s:[f, f, f]}", "features", log(json_number_value(amount)),
                     (double)json_integer_value(items), at < 6 || at >= 22 ? 1.0 : 0.0);
}

static json_t *handle(void *user, infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    (void)user;
    const json_t *order = json_object_get(request, "order");
    if (!json_is_string(order))
        return infer_serve_fail(error, 422, "the message has no order");
    json_t *features = make_features(request, error);
    json_t *answer = features ? infer_serve_predict(serve, features, error) : NULL;
    json_decref(features);
    if (!answer)
        return NULL;
    double risk =
        json_number_value(json_object_get(json_object_get(answer, "probabilities"), "fraud"));
    json_decref(answer);
    return json_pack("{s:s, s:s, s:f, s:s}", "order", json_string_value(order), "decision",
                     risk > 0.5 ? "hold" : "ship", "risk", round(risk * 1000) / 1000, "invocation",
                     call->id);
}

int main(int argc, char **argv) {
    return infer_serve_main(argc, argv, (infer_serve_handler){handle, NULL});
}
