/* Streamed answers: a connection of their own, written to by blocking calls, since libevent's HTTP
 * client takes bodies only whole and sends no trailers. */
#define _POSIX_C_SOURCE 200809L
#include "lambda_stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A reader that takes nothing for so long is gone. */
#define PATIENCE_SECONDS 60

/* Rows of a piece: enough that the work of a piece hides what sending it costs. */
#define PIECE_ROWS 1024

/* ---- bytes ---- */

static bool send_all(infer_lambda_stream *stream, const char *data, size_t size, bool more) {
    while (size && !stream->failed) {
        ssize_t sent = send(stream->file, data, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (sent == 0 || errno != EINTR) {
            stream->failed = true;
        }
    }
    return !stream->failed;
}

static int connect_to(const char *host, int port) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval patience = {PATIENCE_SECONDS, 0};
    struct addrinfo *list = NULL;
    char service[12];
    int file = -1, on = 1;
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *at = list; at && file < 0; at = at->ai_next) {
        file = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (file >= 0 && connect(file, at->ai_addr, at->ai_addrlen) != 0) {
            close(file);
            file = -1;
        }
    }
    freeaddrinfo(list);
    if (file >= 0) {
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    return file;
}

/* ---- the stream ---- */

bool infer_lambda_stream_start(infer_lambda_stream *stream, int status, const char *type) {
    char head[2048], prelude[200];
    const char *path;
    int port;
    const char *host = infer_lambda_host(stream->client, &port, &path);
    bool is_v6 = strchr(host, ':') != NULL;
    int size =
        snprintf(head, sizeof head,
                 "POST %s/2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
                 "Host: %s%s%s:%d\r\n"
                 "User-Agent: libinfer/%s\r\n"
                 "Content-Type: application/vnd.awslambda.http-integration-response\r\n"
                 "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
                 "Transfer-Encoding: chunked\r\n"
                 "Trailer: Lambda-Runtime-Function-Error-Type, "
                 "Lambda-Runtime-Function-Error-Body\r\n"
                 "Connection: close\r\n\r\n",
                 path, stream->id, is_v6 ? "[" : "", host, is_v6 ? "]" : "", port, infer_version());
    int prelude_size =
        snprintf(prelude, sizeof prelude,
                 "{\"statusCode\":%d,\"headers\":{\"content-type\":\"%s\"}}%c%c%c%c%c%c%c%c",
                 status, type, 0, 0, 0, 0, 0, 0, 0, 0);
    if (size < 0 || (size_t)size >= sizeof head)
        return false;
    stream->file = connect_to(host, port);
    stream->failed = stream->file < 0;
    return send_all(stream, head, (size_t)size, true) &&
           infer_lambda_stream_write(stream, prelude, (size_t)prelude_size);
}

bool infer_lambda_stream_write(infer_lambda_stream *stream, const void *data, size_t size) {
    char head[24];
    int head_size = snprintf(head, sizeof head, "%zx\r\n", size);
    /* A chunk without bytes would be the end. */
    return !size || (send_all(stream, head, (size_t)head_size, true) &&
                     send_all(stream, data, size, true) && send_all(stream, "\r\n", 2, false));
}

static void encode(const char *data, size_t size, char *to) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < size ? (unsigned char)data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            *to++ = i + k > size ? '=' : alphabet[bits >> (18 - 6 * k) & 63];
    }
    *to = '\0';
}

/* The trailers that say that an answer is not whole. */
static void send_error(infer_lambda_stream *stream, const infer_serve_error *error) {
    char trailer[2048];
    json_t *json = json_pack("{s:s, s:s, s:[]}", "errorMessage", error->reason, "errorType",
                             "Function.AnswerFailed", "stackTrace");
    char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;
    char *encoded = body ? malloc(4 * (strlen(body) / 3 + 1) + 1) : NULL;
    if (encoded)
        encode(body, strlen(body), encoded);
    int size = snprintf(trailer, sizeof trailer,
                        "Lambda-Runtime-Function-Error-Type: Function.AnswerFailed\r\n"
                        "Lambda-Runtime-Function-Error-Body: %s\r\n",
                        encoded ? encoded : "");
    if (size > 0 && (size_t)size < sizeof trailer)
        send_all(stream, trailer, (size_t)size, true);
    free(encoded);
    free(body);
    json_decref(json);
}

/* Reads the answer to its end, or a runtime that is still writing would see a broken connection;
 * one that does not close it is not waited for. */
static int read_status(infer_lambda_stream *stream) {
    const struct timeval patience = {1, 0};
    char answer[64] = "", rest[512];
    size_t size = 0;
    int status = 0;
    for (;;) {
        bool has_line = memchr(answer, '\n', size) || size == sizeof answer - 1;
        if (has_line)
            setsockopt(stream->file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ssize_t got = has_line ? recv(stream->file, rest, sizeof rest, 0)
                               : recv(stream->file, answer + size, sizeof answer - 1 - size, 0);
        if (got > 0)
            size += has_line ? 0 : (size_t)got;
        else if (got == 0 || errno != EINTR)
            break;
    }
    return sscanf(answer, "HTTP/1.%*1[01] %3d", &status) == 1 ? status : 0;
}

int infer_lambda_stream_end(infer_lambda_stream *stream, const infer_serve_error *error) {
    bool good = send_all(stream, "0\r\n", 3, true);
    if (good && stream->cut)
        send_error(stream, error);
    int status = good && send_all(stream, "\r\n", 2, false) ? read_status(stream) : 0;
    if (stream->file >= 0)
        close(stream->file);
    stream->file = -1;
    return status;
}

/* ---- answers ---- */

/* The rows of a request that is answered in pieces, NULL where one piece is enough. */
static json_t *long_list(const infer_serve *serve, const json_t *request) {
    json_t *rows = json_object_get(request, "instances");
    bool alone = !json_object_get(request, "features") && !json_object_get(request, "inputs") &&
                 !json_object_get(request, "text") && !json_object_get(request, "image");
    return alone && json_array_size(rows) > PIECE_ROWS && !serve->options.handler.handle ? rows
                                                                                         : NULL;
}

static json_t *take_piece(json_t *rows, size_t from) {
    json_t *piece = json_array(), *request = NULL;
    bool good = piece != NULL;
    for (size_t i = from; good && i < from + PIECE_ROWS && i < json_array_size(rows); i++)
        good = json_array_append(piece, json_array_get(rows, i)) == 0;
    if (good)
        request = json_pack("{s:O}", "instances", piece);
    json_decref(piece);
    return request;
}

static bool send_one(infer_lambda_stream *stream, infer_serve_reply *reply) {
    bool good = infer_lambda_stream_start(stream, reply->error.status ? reply->error.status : 200,
                                          "application/json") &&
                infer_lambda_stream_write(stream, reply->text, reply->size);
    free(reply->text);
    reply->text = NULL;
    return good;
}

/* A piece that fails is the end: a status only where it was the first. */
static bool send_pieces(infer_serve *serve, const infer_serve_call *call, json_t *rows,
                        infer_lambda_stream *stream, infer_serve_reply *reply) {
    for (size_t i = 0; i < json_array_size(rows); i += PIECE_ROWS) {
        json_t *piece = take_piece(rows, i);
        if (piece && !infer_serve_respond_json(serve, call, piece, reply))
            piece = NULL;
        if (!piece) {
            infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
            stream->cut = stream->file >= 0;
            return stream->cut;
        }
        if (i == 0 && reply->error.status)
            return send_one(stream, reply);
        bool good = reply->error.status || i > 0 ||
                    infer_lambda_stream_start(stream, 200, "application/x-ndjson");
        if (!reply->error.status)
            good = good && infer_lambda_stream_write(stream, reply->text, reply->size) &&
                   infer_lambda_stream_write(stream, "\n", 1);
        free(reply->text);
        reply->text = NULL;
        if (reply->error.status) {
            infer_serve_error inner = reply->error;
            infer_serve_fail(&reply->error, inner.status, "of the rows from %zu on: %.250s", i,
                             inner.reason);
            stream->cut = true;
            return true;
        }
        if (!good)
            return false;
    }
    return true;
}

bool infer_lambda_stream_respond(infer_serve *serve, const infer_serve_call *call,
                                 const infer_serve_body *body, infer_lambda_stream *stream,
                                 infer_serve_reply *reply) {
    infer_serve_call with_body = *call;
    infer_serve_error error = {0};
    json_t *request = NULL;
    bool good;
    with_body.body = body;
    if (body->size <= serve->options.max_body && infer_serve_is_json(body))
        request = infer_serve_read(serve, body->data, body->size, &error);
    json_t *rows = long_list(serve, request);
    *reply = (infer_serve_reply){0};
    if (rows)
        good = send_pieces(serve, &with_body, rows, stream, reply);
    else if (request)
        good = infer_serve_respond_json(serve, &with_body, json_incref(request), reply) &&
               send_one(stream, reply);
    else
        good = infer_serve_respond(serve, call, body, reply) && send_one(stream, reply);
    json_decref(request);
    if (!good && !reply->error.status)
        infer_serve_fail(&reply->error, 503, "the runtime did not take a streamed answer");
    return good;
}
