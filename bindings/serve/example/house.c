/*
 * A handler of one's own: house prices.
 *
 * In:  {"area_m2": 120, "rooms": 4, "city": "Bern"}
 * Out: {"price": 912000, "currency": "CHF"}
 *
 * The model was trained on the logarithm of the area, the rooms, and one column for each city, and
 * gives the logarithm of the price.
 */
#include <math.h>
#include <string.h>

#include "serve.h"

static const char *const cities[] = {"Basel", "Bern", "Zug"};
#define CITIES (sizeof cities / sizeof *cities)

static json_t *make_features(const json_t *request, infer_serve_error *error) {
    const json_t *area = json_object_get(request, "area_m2");
    const json_t *rooms = json_object_get(request, "rooms");
    const char *city = json_string_value(json_object_get(request, "city"));
    if (!json_is_number(area) || json_number_value(area) <= 0)
        return infer_serve_fail(error, 422, "area_m2 has to be a number above 0");
    if (!json_is_number(rooms))
        return infer_serve_fail(error, 422, "rooms has to be a number");
    json_t *features = json_pack("[f, f]", log(json_number_value(area)), json_number_value(rooms));
    size_t known = 0;
    for (size_t i = 0; i < CITIES; i++) {
        int here = city && strcmp(city, cities[i]) == 0;
        known += (size_t)here;
        json_array_append_new(features, json_integer(here));
    }
    if (known)
        return json_pack("{s:o}", "features", features);
    json_decref(features);
    return infer_serve_fail(error, 422, "city is not one of those that the model knows");
}

static json_t *handle(void *user, infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    (void)user, (void)call;
    json_t *features = make_features(request, error);
    json_t *answer = features ? infer_serve_predict(serve, features, error) : NULL;
    json_decref(features);
    if (!answer)
        return NULL;
    double price = exp(json_number_value(json_object_get(answer, "prediction")));
    json_decref(answer);
    return json_pack("{s:f, s:s}", "price", round(price / 1000) * 1000, "currency", "CHF");
}

int main(int argc, char **argv) {
    return infer_serve_main(argc, argv, (infer_serve_handler){handle, NULL});
}
