/* A handler of one's own for events of Google Cloud: a sensor's readings in, an alarm out.
 *
 * An event's data says {"sensor": "7", "readings": [20.1, 20.4, 19.8, ...]}; the model was trained
 * on their mean, their standard deviation, and the last one's distance from the mean. */
#include <math.h>
#include <string.h>

#include "serve.h"

/* Few enough that a hostile list costs nothing. */
#define MOST_READINGS 10000

static json_t *make_features(const json_t *readings, infer_serve_error *error) {
    size_t count = json_array_size(readings), i;
    double sum = 0, squares = 0, last = 0;
    json_t *reading;
    if (count < 2 || count > MOST_READINGS)
        return infer_serve_fail(error, 422, "readings have to be a list of 2 to %d numbers",
                                MOST_READINGS);
    json_array_foreach(readings, i, reading) {
        if (!json_is_number(reading))
            return infer_serve_fail(error, 422, "reading %zu is not a number", i);
        last = json_number_value(reading);
        sum += last;
        squares += last * last;
    }
    double mean = sum / (double)count;
    double variance = fmax(squares / (double)count - mean * mean, 0);
    return json_pack("{s:[f, f, f]}", "features", mean, sqrt(variance), last - mean);
}

static json_t *handle(void *user, infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    (void)user, (void)call;
    const json_t *sensor = json_object_get(request, "sensor");
    if (!json_is_string(sensor))
        return infer_serve_fail(error, 422, "the event's data names no sensor");
    json_t *features = make_features(json_object_get(request, "readings"), error);
    json_t *answer = features ? infer_serve_predict(serve, features, error) : NULL;
    json_decref(features);
    if (!answer)
        return NULL;
    const char *label = json_string_value(json_object_get(answer, "label"));
    bool alarm = label && strcmp(label, "faulty") == 0;
    json_decref(answer);
    return json_pack("{s:s, s:b}", "sensor", json_string_value(sensor), "alarm", alarm);
}

int main(int argc, char **argv) {
    return infer_serve_main(argc, argv, (infer_serve_handler){handle, NULL});
}
