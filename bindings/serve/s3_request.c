/* Requests to S3: where an object is, and a head that is signed. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3.h"
#include "sigv4.h"

#define FAIL(...) (infer_serve_fail(error, 500, __VA_ARGS__), false)

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- places ---- */

/* Percent-encodes all but what RFC 3986 never reserves, and slashes where they part a path. */
static char *encode(const char *text, bool keep_slashes, char *to) {
    for (; *text; text++)
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) ||
            (keep_slashes && *text == '/'))
            *to++ = *text;
        else
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*text);
    *to = '\0';
    return to;
}

/* http://host, https://host:port, without a path. */
static bool read_endpoint(const char *url, infer_s3_place *place, infer_serve_error *error) {
    place->tls = strncmp(url, "https://", 8) == 0;
    const char *name = place->tls ? url + 8 : strncmp(url, "http://", 7) == 0 ? url + 7 : "";
    size_t size = strcspn(name, "/"), host = size;
    bool is_v6 = *name == '[';
    unsigned long port = place->tls ? 443 : 80;
    const char *colon = memchr(name, ':', size), *bracket = memchr(name, ']', size);
    if (is_v6)
        colon = bracket && bracket[1] == ':' ? bracket + 1 : NULL;
    if (colon) {
        char *end;
        port = strtoul(colon + 1, &end, 10);
        host = end == name + size ? (size_t)(colon - name) : 0;
    }
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr(is_v6 ? ":.[]" : ":.-_", name[i]))
            host = 0;
    if (!host || size >= 256 || (is_v6 && (!bracket || host < 3)) || port - 1 >= 65535 ||
        (name[size] == '/' && name[size + 1]))
        return FAIL("the endpoint %.100s is no http:// or https:// address of a host", url);
    snprintf(place->host, sizeof place->host, "%.*s", (int)host - 2 * is_v6, name + is_v6);
    snprintf(place->authority, sizeof place->authority, "%.*s", (int)size, name);
    place->port = (uint16_t)port;
    return true;
}

/* A bucket's name goes in front of the host where it is a label of one: certificates have one
 * label there, and hosts no capitals. */
static bool is_label(const char *bucket) {
    for (const char *c = bucket; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
            return false;
    return strlen(bucket) < 64;
}

bool infer_s3_find(const infer_s3_object *object, infer_s3_place *place, infer_serve_error *error) {
    const char *endpoint = variable("AWS_ENDPOINT_URL_S3");
    const char *region = *object->region ? object->region : variable("AWS_REGION");
    bool in_front = !endpoint && !variable("AWS_ENDPOINT_URL") && is_label(object->bucket);
    if (!endpoint)
        endpoint = variable("AWS_ENDPOINT_URL");
    if (!region || strlen(region) >= sizeof place->region)
        return FAIL("there is no region: AWS_REGION is not set");
    strcpy(place->region, region);
    if (endpoint) {
        if (!read_endpoint(endpoint, place, error))
            return false;
    } else {
        place->tls = true;
        place->port = 443;
        snprintf(place->host, sizeof place->host, "%.63s%ss3.%.63s.amazonaws.com%s",
                 in_front ? object->bucket : "", in_front ? "." : "", region,
                 strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
        strcpy(place->authority, place->host);
    }
    int size = snprintf(place->target, sizeof place->target, "/%s%s",
                        in_front ? "" : object->bucket, in_front ? "" : "/");
    encode(object->key, true, place->target + size);
    *place->query = '\0';
    if (*object->version)
        encode(object->version, false, stpcpy(place->query, "versionId="));
    return true;
}

/* ---- heads ---- */

char *infer_s3_headers(const infer_s3_place *place, const char *method, const char *type,
                       const void *body, size_t size, time_t time, infer_serve_error *error) {
    const char *key = variable("AWS_ACCESS_KEY_ID"), *secret = variable("AWS_SECRET_ACCESS_KEY");
    const char *token = variable("AWS_SESSION_TOKEN");
    char date[20], hash[INFER_SIGV4_HASH], authorization[600], *lines = NULL;
    struct tm utc;
    if (!key || !secret) {
        infer_serve_fail(error, 500, "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set");
        return NULL;
    }
    if (!gmtime_r(&time, &utc) || !strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &utc) ||
        !infer_sigv4_hash(body ? body : "", size, hash)) {
        infer_serve_fail(error, 503, "a request could not be hashed");
        return NULL;
    }
    const infer_sigv4_header headers[] = {{"host", place->authority},
                                          {"x-amz-content-sha256", hash},
                                          {"x-amz-date", date},
                                          {"x-amz-security-token", token}};
    const infer_sigv4 request = {.key = key,
                                 .secret = secret,
                                 .region = place->region,
                                 .service = "s3",
                                 .date = date,
                                 .method = method,
                                 .path = place->target,
                                 .query = place->query,
                                 .headers = headers,
                                 .header_count = token ? 4 : 3,
                                 .payload = hash};
    if (!infer_sigv4_sign(&request, authorization, sizeof authorization) ||
        asprintf(&lines,
                 "Host: %s\r\nUser-Agent: libinfer/%s\r\nX-Amz-Content-Sha256: %s\r\n"
                 "X-Amz-Date: %s\r\n%s%s%sAuthorization: %s\r\n%s%s%s",
                 place->authority, infer_version(), hash, date,
                 token ? "X-Amz-Security-Token: " : "", token ? token : "", token ? "\r\n" : "",
                 authorization, type ? "Content-Type: " : "", type ? type : "",
                 type ? "\r\n" : "") < 0) {
        infer_serve_fail(error, 503, "a request could not be signed");
        return NULL;
    }
    return lines;
}
