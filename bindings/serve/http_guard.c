/* Requests that never end: from their first byte they have the timeout to be complete.
 *
 * evhttp's own timeouts begin anew with every byte. Nobody says when evhttp frees a connection, so
 * a connection is known here by its file descriptor, and before it is ended the socket's inode
 * tells whether it is still the same one. */
#define _POSIX_C_SOURCE 200809L
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "http_server.h"

typedef struct connection {
    const struct bufferevent *bev; /* only compared */
    ino_t inode;
    uint64_t first_byte; /* 0: no request has begun */
} connection;

/* One server a process: evbuffer's callbacks have room for the bufferevent alone. */
static struct {
    struct event *timer;
    uint64_t timeout_ns;
    connection *by_fd;
    size_t room;
} guard;

static ino_t inode_of(evutil_socket_t fd) {
    struct stat s;
    return fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode) ? s.st_ino : 0;
}

/* ---- connections ---- */

static bool make_room(size_t fd) {
    if (fd < guard.room)
        return true;
    size_t room = 2 * fd + 64;
    connection *more = realloc(guard.by_fd, room * sizeof *more);
    if (!more)
        return false;
    memset(more + guard.room, 0, (room - guard.room) * sizeof *more);
    guard.by_fd = more;
    guard.room = room;
    return true;
}

static void on_bytes(struct evbuffer *input, const struct evbuffer_cb_info *info, void *bev) {
    evutil_socket_t fd = bufferevent_getfd(bev);
    (void)input;
    if (!info->n_added || fd < 0 || !make_room((size_t)fd))
        return;
    connection *c = &guard.by_fd[fd];
    if (c->bev != bev)
        *c = (connection){.bev = bev, .inode = inode_of(fd)};
    if (!c->first_byte)
        c->first_byte = infer_serve_now();
}

/* A new bufferevent may lie where one was that is gone. */
struct bufferevent *infer_http_guard_connect(struct event_base *base, void *unused) {
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    (void)unused;
    for (size_t fd = 0; bev && fd < guard.room; fd++)
        if (guard.by_fd[fd].bev == bev)
            guard.by_fd[fd] = (connection){0};
    if (bev)
        evbuffer_add_cb(bufferevent_get_input(bev), on_bytes, bev);
    return bev;
}

uint64_t infer_http_guard_complete(struct evhttp_request *request) {
    struct bufferevent *bev =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    evutil_socket_t fd = bufferevent_getfd(bev);
    if (fd < 0 || (size_t)fd >= guard.room || !guard.by_fd[fd].first_byte)
        return infer_serve_now(); /* its bytes came with those of the request before */
    uint64_t start = guard.by_fd[fd].first_byte;
    guard.by_fd[fd].first_byte = 0;
    return start;
}

bool infer_http_guard_is_reading(void) {
    for (size_t fd = 0; fd < guard.room; fd++)
        if (guard.by_fd[fd].first_byte && inode_of((evutil_socket_t)fd) == guard.by_fd[fd].inode)
            return true;
    return false;
}

/* ---- time ---- */

/* evhttp sees the end of the stream and frees the connection. */
static void refuse(connection *c, evutil_socket_t fd) {
    static const char reply[] = "HTTP/1.1 408 Request Timeout\r\n"
                                "Content-Type: application/json\r\nConnection: close\r\n"
                                "Content-Length: 40\r\n\r\n"
                                "{\"error\":\"the request was not complete\"}";
    ssize_t sent = send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    infer_http_count(408, "", infer_serve_now() - c->first_byte);
    shutdown(fd, SHUT_RDWR);
}

static void sweep(evutil_socket_t number, short what, void *unused) {
    uint64_t now = infer_serve_now();
    (void)number, (void)what, (void)unused;
    for (size_t fd = 0; fd < guard.room; fd++) {
        connection *c = &guard.by_fd[fd];
        if (!c->first_byte || now - c->first_byte < guard.timeout_ns)
            continue;
        if (c->inode && inode_of((evutil_socket_t)fd) == c->inode)
            refuse(c, (evutil_socket_t)fd);
        c->first_byte = 0;
    }
}

bool infer_http_guard_start(struct event_base *base, size_t timeout_ms) {
    size_t each = timeout_ms < 4 ? 1 : timeout_ms / 4 > 1000 ? 1000 : timeout_ms / 4;
    struct timeval period = {(time_t)(each / 1000), (suseconds_t)(each % 1000 * 1000)};
    guard.timeout_ns = timeout_ms * UINT64_C(1000000);
    guard.timer = event_new(base, -1, EV_PERSIST, sweep, NULL);
    return guard.timer && event_add(guard.timer, &period) == 0;
}

void infer_http_guard_stop(void) {
    if (guard.timer)
        event_free(guard.timer);
    free(guard.by_fd);
    memset(&guard, 0, sizeof guard);
}
