/* Bodies that are not JSON. All return an answer, or NULL with the error set. */
#ifndef INFER_SERVE_KINDS_H
#define INFER_SERVE_KINDS_H

#include "core.h"

/* Lines of numbers, one for each row, perhaps below a line of feature names. */
json_t *infer_serve_predict_csv(infer_serve *serve, const infer_serve_body *body,
                                infer_serve_error *error);

/* An array in NumPy's format: rows of features, or the graph's single input. */
bool infer_serve_is_npy(const infer_serve_body *body);
json_t *infer_serve_predict_npy(infer_serve *serve, const infer_serve_body *body,
                                infer_serve_error *error);

/* A JPEG or PNG in base64. */
json_t *infer_serve_predict_coded_image(infer_serve *serve, const json_t *text,
                                        infer_serve_error *error);

/* A text for a graph whose single input is one string. */
json_t *infer_serve_predict_text(infer_serve *serve, const char *text, size_t size,
                                 infer_serve_error *error);

#endif
