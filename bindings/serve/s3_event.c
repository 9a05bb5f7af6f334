/* The names of objects in the events of S3, and of the answers about them. */
#include "s3.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FAIL(...) (infer_serve_fail(error, 400, __VA_ARGS__), INFER_S3_WRONG)

static const char *text_of(const json_t *holder, const char *name) {
    const char *text = json_string_value(json_object_get(holder, name));
    return text ? text : "";
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* ---- names ---- */

/* Names become parts of hosts and paths. */
static bool is_name(const char *text, const char *others, size_t least, size_t room) {
    size_t size = strlen(text);
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(others, *c))
            return false;
    return size >= least && size < room;
}

static bool is_bucket(const char *text) {
    return isalnum((unsigned char)*text) &&
           is_name(text, "-._", 3, sizeof((infer_s3_object *)0)->bucket);
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* Takes a text, decoded as forms are where it is so encoded. */
static bool copy(const char *text, bool coded, char *to, size_t room) {
    size_t size = 0;
    for (; *text && size + 1 < room; text++) {
        char c = *text;
        if (coded && c == '+') {
            c = ' ';
        } else if (coded && c == '%') {
            int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);
            c = (char)(high * 16 + low);
            if (low < 0 || !c)
                return false;
            text += 2;
        }
        to[size++] = c;
    }
    to[size] = '\0';
    return !*text && size > 0;
}

/* ---- events ---- */

/* The names of what brings an object, of S3 and of EventBridge; events that are made by hand may
 * have none. */
static bool brings_object(const json_t *record, bool bridged) {
    const char *name = text_of(record, bridged ? "detail-type" : "eventName");
    if (bridged)
        return strcmp(name, "Object Created") == 0 || strcmp(name, "Object Restore Completed") == 0;
    name += starts_with(name, "s3:") ? 3 : 0;
    return (!*name && json_object_get(record, "s3")) || starts_with(name, "ObjectCreated:") ||
           strcmp(name, "ObjectRestore:Completed") == 0;
}

infer_s3_news infer_s3_read(const json_t *record, infer_s3_object *object,
                            infer_serve_error *error) {
    bool bridged = json_object_get(record, "detail") != NULL;
    const json_t *news = json_object_get(record, bridged ? "detail" : "s3");
    const json_t *named = json_object_get(news, "object");
    const char *bucket = text_of(json_object_get(news, "bucket"), "name");
    const char *region = text_of(record, bridged ? "region" : "awsRegion");
    const char *version = text_of(named, bridged ? "version-id" : "versionId");
    *object = (infer_s3_object){0};
    if (!brings_object(record, bridged))
        return INFER_S3_OTHER;
    if (!is_bucket(bucket))
        return FAIL("the event has no bucket");
    if (!is_name(region, "-", 0, sizeof object->region))
        return FAIL("the event has no region that is one");
    /* EventBridge does not encode. */
    if (!copy(text_of(named, "key"), !bridged, object->key, sizeof object->key))
        return FAIL("the event of bucket %.63s has no key that is one", bucket);
    if (*version && !copy(version, false, object->version, sizeof object->version))
        return FAIL("the event of bucket %.63s has no version that is one", bucket);
    strcpy(object->bucket, bucket);
    strcpy(object->region, region);
    /* Consoles make folders as empty objects. */
    return object->key[strlen(object->key) - 1] == '/' ? INFER_S3_OTHER : INFER_S3_NEW;
}

/* ---- answers ---- */

/* The bucket of "s3://bucket/prefix", and the prefix. */
static const char *split(const char *url, char bucket[256]) {
    const char *name = starts_with(url, "s3://") ? url + 5 : "", *slash = strchr(name, '/');
    if (!slash || slash - name > 255)
        return NULL;
    snprintf(bucket, 256, "%.*s", (int)(slash - name), name);
    return is_bucket(bucket) ? slash + 1 : NULL;
}

bool infer_s3_output(const char *url, const infer_s3_object *object, infer_s3_object *output) {
    *output = (infer_s3_object){0};
    const char *prefix = split(url, output->bucket);
    int size =
        prefix ? snprintf(output->key, sizeof output->key, "%s%s.json", prefix, object->key) : -1;
    return size > 0 && (size_t)size < sizeof output->key;
}

bool infer_s3_is_output(const char *url, const infer_s3_object *object) {
    char bucket[256];
    const char *prefix = split(url, bucket);
    return prefix && strcmp(bucket, object->bucket) == 0 && starts_with(object->key, prefix);
}
