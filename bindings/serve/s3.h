/* Objects of S3, of which events have only the names. */
#ifndef INFER_SERVE_S3_H
#define INFER_SERVE_S3_H

#include <time.h>

#include "core.h"

/* Fetches what an event names, has it answered, and puts the answer where the option says. */
extern const infer_serve_objects infer_s3_objects;

/* ---- s3_event.c ---- */

typedef struct infer_s3_object {
    char bucket[256], region[64]; /* region: "" where the event has none */
    char key[1025], version[1025];
} infer_s3_object;

typedef enum infer_s3_news {
    INFER_S3_NEW,   /* an object to be fetched */
    INFER_S3_OTHER, /* removals, folders, tests: nothing to do */
    INFER_S3_WRONG  /* the error is set */
} infer_s3_news;

/* Reads one record of S3's own, an event of EventBridge, or S3's test of a configuration. */
infer_s3_news infer_s3_read(const json_t *record, infer_s3_object *object,
                            infer_serve_error *error);

/* Where the answer about an object goes, by "s3://bucket/prefix". False where it has no place. */
bool infer_s3_output(const char *url, const infer_s3_object *object, infer_s3_object *output);

/* Whether an object is one of the answers put there: to answer it would never end. */
bool infer_s3_is_output(const char *url, const infer_s3_object *object);

/* ---- s3_request.c ---- */

typedef struct infer_s3_place {
    bool tls;
    uint16_t port;
    char host[330], authority[340]; /* authority: with the port where it is not the usual one */
    char target[3 * 1024 + 300], query[3 * 1024 + 16], region[64];
} infer_s3_place;

/* Where an object is, from its region and the environment. */
bool infer_s3_find(const infer_s3_object *object, infer_s3_place *place, infer_serve_error *error);

/* The request's head, signed for the time: lines to be given to free. `type` is the body's, NULL
 * without one. */
char *infer_s3_headers(const infer_s3_place *place, const char *method, const char *type,
                       const void *body, size_t size, time_t time, infer_serve_error *error);

#endif
