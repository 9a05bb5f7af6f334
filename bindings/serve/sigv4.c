/* AWS's Signature Version 4: a canonical request, the string to sign, and a key made for the day.
 */
#include "sigv4.h"

#include <mbedtls/md.h>
#include <stdio.h>
#include <string.h>

#define HASH  32
#define SCOPE 200

static const mbedtls_md_info_t *sha256(void) {
    return mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
}

static void write_hex(const unsigned char hash[HASH], char to[INFER_SIGV4_HASH]) {
    for (size_t i = 0; i < HASH; i++)
        snprintf(to + 2 * i, 3, "%02x", hash[i]);
}

bool infer_sigv4_hash(const void *data, size_t size, char to[INFER_SIGV4_HASH]) {
    unsigned char hash[HASH];
    if (mbedtls_md(sha256(), data, size, hash) != 0)
        return false;
    write_hex(hash, to);
    return true;
}

/* ---- the canonical request ---- */

static bool add(mbedtls_md_context_t *to, const char *text) {
    return mbedtls_md_update(to, (const unsigned char *)text, strlen(text)) == 0;
}

static bool add_names(mbedtls_md_context_t *to, const infer_sigv4 *request) {
    bool good = true;
    for (size_t i = 0; i < request->header_count; i++)
        good = good && add(to, i ? ";" : "") && add(to, request->headers[i].name);
    return good;
}

static bool hash_request(const infer_sigv4 *request, char to[INFER_SIGV4_HASH]) {
    unsigned char hash[HASH];
    mbedtls_md_context_t md;
    mbedtls_md_init(&md);
    bool good = mbedtls_md_setup(&md, sha256(), 0) == 0 && mbedtls_md_starts(&md) == 0 &&
                add(&md, request->method) && add(&md, "\n") && add(&md, request->path) &&
                add(&md, "\n") && add(&md, request->query) && add(&md, "\n");
    for (size_t i = 0; i < request->header_count; i++)
        good = good && add(&md, request->headers[i].name) && add(&md, ":") &&
               add(&md, request->headers[i].value) && add(&md, "\n");
    good = good && add(&md, "\n") && add_names(&md, request) && add(&md, "\n") &&
           add(&md, request->payload) && mbedtls_md_finish(&md, hash) == 0;
    mbedtls_md_free(&md);
    if (good)
        write_hex(hash, to);
    return good;
}

/* ---- the signature ---- */

static bool mac(const void *key, size_t size, const char *text, unsigned char to[HASH]) {
    return mbedtls_md_hmac(sha256(), key, size, (const unsigned char *)text, strlen(text), to) == 0;
}

static bool make_key(const infer_sigv4 *request, unsigned char key[HASH]) {
    char first[256], day[9];
    int size = snprintf(first, sizeof first, "AWS4%s", request->secret);
    snprintf(day, sizeof day, "%.8s", request->date);
    return size > 0 && (size_t)size < sizeof first && mac(first, (size_t)size, day, key) &&
           mac(key, HASH, request->region, key) && mac(key, HASH, request->service, key) &&
           mac(key, HASH, "aws4_request", key);
}

bool infer_sigv4_sign(const infer_sigv4 *request, char *to, size_t room) {
    char hash[INFER_SIGV4_HASH], signature[INFER_SIGV4_HASH], scope[SCOPE], text[2 * SCOPE];
    unsigned char key[HASH], signed_text[HASH];
    int scope_size = snprintf(scope, sizeof scope, "%.8s/%s/%s/aws4_request", request->date,
                              request->region, request->service);
    if (scope_size < 0 || scope_size >= SCOPE || !hash_request(request, hash))
        return false;
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%.16s\n%s\n%s", request->date, scope, hash);
    if (!make_key(request, key) || !mac(key, HASH, text, signed_text))
        return false;
    write_hex(signed_text, signature);
    int size = snprintf(to, room, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", request->key,
                        scope);
    for (size_t i = 0; i < request->header_count && size > 0 && (size_t)size < room; i++)
        size += snprintf(to + size, room - (size_t)size, "%s%s", i ? ";" : "",
                         request->headers[i].name);
    if (size > 0 && (size_t)size < room)
        size += snprintf(to + size, room - (size_t)size, ", Signature=%s", signature);
    return size > 0 && (size_t)size < room;
}
