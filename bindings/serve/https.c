/* HTTP/1.1 over a wire: requests out, answers in, and when a connection may be used again. */
#define _GNU_SOURCE
#include "https.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "wire.h"

#define BUFFER 16384 /* of a head, at most */

/* An answer that is no success explains itself; more of it than this is not read. */
#define MOST_OF_ERROR 65536

/* Servers and what is between drop idle connections, some without a word. */
#define KEPT_SECONDS 10

struct infer_https {
    infer_wire *wire;
    char host[300];
    uint16_t port;
    bool tls;
    time_t used;     /* the end of the last exchange, on a clock that goes on in a frozen process */
    size_t from, to; /* what of the buffer has not been taken */
    char buffer[BUFFER];
};

#define FAIL(STATUS, ...) (infer_serve_fail(error, STATUS, __VA_ARGS__), false)

infer_https *infer_https_new(void) {
    infer_https *client = calloc(1, sizeof *client);
    if (client && !(client->wire = infer_wire_new())) {
        free(client);
        client = NULL;
    }
    return client;
}

void infer_https_free(infer_https *client) {
    if (!client)
        return;
    infer_wire_free(client->wire);
    free(client);
}

/* ---- reading ---- */

/* Brings more bytes behind those that are there; the end is an error. */
static bool fill(infer_https *client, infer_serve_error *error) {
    if (client->from == client->to) {
        client->from = client->to = 0;
    } else if (client->to == BUFFER) {
        memmove(client->buffer, client->buffer + client->from, client->to - client->from);
        client->to -= client->from;
        client->from = 0;
    }
    if (client->to == BUFFER)
        return FAIL(502, "a head of more than %d bytes", BUFFER);
    ssize_t got =
        infer_wire_read(client->wire, client->buffer + client->to, BUFFER - client->to, error);
    if (got == 0)
        return FAIL(502, "the connection ended early");
    client->to += got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* Takes a line without its end; it is good until the next read. */
static char *take_line(infer_https *client, infer_serve_error *error) {
    for (;;) {
        char *start = client->buffer + client->from, *end;
        end = memchr(start, '\n', client->to - client->from);
        if (end) {
            client->from += (size_t)(end - start) + 1;
            if (end > start && end[-1] == '\r')
                end--;
            *end = '\0';
            return start;
        }
        if (!fill(client, error))
            return NULL;
    }
}

static bool take_bytes(infer_https *client, char *to, size_t size, infer_serve_error *error) {
    size_t there = client->to - client->from;
    if (there > size)
        there = size;
    memcpy(to, client->buffer + client->from, there);
    client->from += there;
    while (there < size) {
        ssize_t got = infer_wire_read(client->wire, to + there, size - there, error);
        if (got == 0)
            return FAIL(502, "the connection ended after %zu of %zu bytes", there, size);
        if (got < 0)
            return false;
        there += (size_t)got;
    }
    return true;
}

/* ---- heads ---- */

typedef struct head {
    bool has_length, chunked, closes;
    size_t length;
} head;

/* The value of a header of this name, without blanks in front. */
static const char *value_of(const char *line, const char *name) {
    size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0 || line[size] != ':')
        return NULL;
    return line + size + 1 + strspn(line + size + 1, " \t");
}

static bool read_number(const char *text, int base, size_t *number) {
    char *end;
    unsigned long long value = strtoull(text, &end, base);
    *number = (size_t)value;
    return (base == 16 ? strchr("0123456789abcdefABCDEF", *text) : strchr("0123456789", *text)) &&
           *text && end != text && value < SIZE_MAX / 4 && (!*end || strchr(" \t;", *end));
}

static bool read_header(const char *line, head *to, infer_https_answer *answer,
                        infer_serve_error *error) {
    const char *value;
    if ((value = value_of(line, "Content-Length"))) {
        size_t length;
        if (!read_number(value, 10, &length) || (to->has_length && length != to->length))
            return FAIL(502, "a wrong Content-Length");
        to->has_length = true;
        to->length = length;
    } else if ((value = value_of(line, "Transfer-Encoding"))) {
        to->chunked = strcasecmp(value, "chunked") == 0;
        if (!to->chunked)
            return FAIL(502, "a Transfer-Encoding that is not understood");
    } else if ((value = value_of(line, "Connection"))) {
        to->closes = strcasecmp(value, "close") == 0;
    } else if ((value = value_of(line, "Content-Type"))) {
        snprintf(answer->type, sizeof answer->type, "%s", value);
    } else if ((value = value_of(line, "Content-Encoding"))) {
        snprintf(answer->encoding, sizeof answer->encoding, "%s", value);
    }
    return true;
}

/* Interim answers are passed over. */
static bool read_head(infer_https *client, head *to, infer_https_answer *answer,
                      infer_serve_error *error) {
    do {
        char minor;
        char *line = take_line(client, error);
        *to = (head){0};
        *answer = (infer_https_answer){0};
        if (!line)
            return false;
        if (sscanf(line, "HTTP/1.%c %3d", &minor, &answer->status) != 2 || answer->status < 100)
            return FAIL(502, "the answer is no HTTP");
        to->closes = minor == '0';
        while ((line = take_line(client, error)) && *line)
            if (!read_header(line, to, answer, error))
                return false;
        if (!line)
            return false;
    } while (answer->status < 200);
    return true;
}

/* ---- bodies ---- */

static bool grow(infer_https_answer *answer, size_t more, size_t most, infer_serve_error *error) {
    if (more > most - answer->size)
        return FAIL(413, "it has more than %zu bytes (--max-body)", most);
    char *body = realloc(answer->body, answer->size + more + 1);
    if (!body)
        return FAIL(503, "no memory is left for %zu bytes", answer->size + more);
    answer->body = body;
    return true;
}

static bool read_piece(infer_https *client, size_t size, size_t most, infer_https_answer *answer,
                       infer_serve_error *error) {
    if (!grow(answer, size, most, error) ||
        !take_bytes(client, answer->body + answer->size, size, error))
        return false;
    answer->size += size;
    return true;
}

static bool read_chunks(infer_https *client, size_t most, infer_https_answer *answer,
                        infer_serve_error *error) {
    const char *line;
    size_t size;
    do {
        line = take_line(client, error);
        if (!line)
            return false;
        if (!read_number(line, 16, &size))
            return FAIL(502, "a chunk without a size");
        if (size && !read_piece(client, size, most, answer, error))
            return false;
        /* Behind the last one are trailers and an empty line. */
        while ((line = take_line(client, error)) && *line)
            if (size)
                return FAIL(502, "a chunk that does not end");
        if (!line)
            return false;
    } while (size);
    return true;
}

static bool read_body(infer_https *client, const head *of, size_t most, infer_https_answer *answer,
                      infer_serve_error *error) {
    if (!grow(answer, 0, most, error))
        return false;
    if (answer->status == 204 || answer->status == 304)
        return true;
    if (of->chunked)
        return read_chunks(client, most, answer, error);
    if (!of->has_length)
        return FAIL(502, "an answer without a length");
    if (of->length > most)
        return FAIL(413, "it has %zu bytes, the limit is %zu (--max-body)", of->length, most);
    return read_piece(client, of->length, most, answer, error);
}

static bool read_answer(infer_https *client, const infer_https_request *request,
                        infer_https_answer *answer, infer_serve_error *error) {
    head in;
    if (!read_head(client, &in, answer, error))
        return false;
    bool is_success = answer->status < 300, good;
    good = read_body(client, &in, is_success ? request->most : MOST_OF_ERROR, answer, error);
    if (good)
        answer->body[answer->size] = '\0';
    if (!good || in.closes || client->from != client->to)
        infer_wire_close(client->wire);
    if (good)
        return true;
    free(answer->body);
    answer->body = NULL;
    answer->size = 0;
    if (is_success)
        return false;
    error->status = 0; /* the status is answer enough */
    answer->body = calloc(1, 1);
    return answer->body || FAIL(503, "no memory is left");
}

/* ---- exchanges ---- */

static bool can_reuse(const infer_https *client, const infer_https_request *request) {
    time_t now = time(NULL);
    return infer_wire_is_quiet(client->wire) && client->tls == request->tls &&
           client->port == request->port && strcmp(client->host, request->host) == 0 &&
           now >= client->used && now - client->used < KEPT_SECONDS;
}

static bool connect_client(infer_https *client, const infer_https_request *request,
                           infer_serve_error *error) {
    snprintf(client->host, sizeof client->host, "%s", request->host);
    client->port = request->port;
    client->tls = request->tls;
    return infer_wire_open(client->wire, request->host, request->port, request->tls, error);
}

/* The answer may come before the whole request went out: only reading it tells what happened. */
static bool write_request(infer_https *client, const infer_https_request *request,
                          infer_serve_error *error) {
    infer_serve_error broken = {0};
    char *start;
    int size = asprintf(&start, "%s %s HTTP/1.1\r\n%s", request->method, request->target,
                        request->headers);
    if (size < 0)
        return FAIL(503, "no memory is left");
    char length[48] = "\r\n";
    if (request->body)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", request->size);
    bool good =
        infer_wire_write(client->wire, start, (size_t)size, &broken) &&
        infer_wire_write(client->wire, length, strlen(length), &broken) &&
        (!request->body || infer_wire_write(client->wire, request->body, request->size, &broken));
    free(start);
    if (good || broken.status != 504)
        return true;
    *error = broken;
    return false;
}

bool infer_https_exchange(infer_https *client, const infer_https_request *request,
                          infer_https_answer *answer, infer_serve_error *error) {
    uint64_t deadline = infer_serve_now() + (uint64_t)request->timeout_ms * 1000000;
    bool reused = can_reuse(client, request), good;
    *answer = (infer_https_answer){0};
    infer_wire_set_deadline(client->wire, deadline);
    for (;;) {
        *error = (infer_serve_error){0};
        client->from = client->to = 0;
        good = (reused || connect_client(client, request, error)) &&
               write_request(client, request, error) && read_answer(client, request, answer, error);
        if (good)
            break;
        infer_wire_close(client->wire);
        if (!reused || client->to || answer->status || error->status != 502)
            return false;
        reused = false;
    }
    client->used = time(NULL);
    return true;
}
