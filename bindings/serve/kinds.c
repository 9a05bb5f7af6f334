/* What a body is: JSON, or bytes of a media type that become rows or tensors. */
#include "core.h"

#include <string.h>
#include <strings.h>

/* Whether a media type, without its parameters, is this one. */
static bool is_type(const char *type, const char *name) {
    size_t size = strlen(name);
    return strncasecmp(type, name, size) == 0 && !strchr("/+-.", type[size] ? type[size] : ';');
}

bool infer_serve_is_json(const infer_serve_body *body) {
    return !is_type(body->type, "text/csv");
}

json_t *infer_serve_predict_body(infer_serve *serve, const infer_serve_body *body,
                                 infer_serve_error *error) {
    (void)serve;
    return infer_serve_fail(error, 415, "bodies of type %.100s are not understood", body->type);
}
