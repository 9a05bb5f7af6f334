/* Sockets that never block for longer than their deadline, and mbedTLS on top of them. */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <nss.h>
#endif

struct infer_wire {
    int file; /* -1: closed */
    bool is_tls;
    bool is_ready; /* authorities and random numbers are there */
    uint64_t deadline;
    mbedtls_ssl_context ssl; /* of the connection, the others stay */
    mbedtls_ssl_config config;
    mbedtls_x509_crt authorities;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
};

#define FAIL(STATUS, ...) (infer_serve_fail(error, STATUS, __VA_ARGS__), false)

/* ---- sockets ---- */

static bool wait_for(const infer_wire *wire, short events, infer_serve_error *error) {
    for (;;) {
        uint64_t now = infer_serve_now();
        struct pollfd file = {wire->file, events, 0};
        if (now >= wire->deadline)
            return FAIL(504, "no answer came in time");
        uint64_t left = (wire->deadline - now) / 1000000 + 1;
        int ready = poll(&file, 1, left < 3600000 ? (int)left : 3600000);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return FAIL(502, "poll: errno %d", errno);
    }
}

/* Waits for a connection that was begun; what came of it is the socket's error. */
static bool finish_connect(const infer_wire *wire, infer_serve_error *error) {
    int why = 0;
    socklen_t size = sizeof why;
    if (!wait_for(wire, POLLOUT, error))
        return false;
    if (getsockopt(wire->file, SOL_SOCKET, SO_ERROR, &why, &size) != 0 || why)
        return FAIL(502, "it cannot be connected to: errno %d", why);
    return true;
}

static bool connect_to(infer_wire *wire, const struct addrinfo *address, infer_serve_error *error) {
    const int on = 1;
    wire->file = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->file < 0)
        return FAIL(502, "socket: errno %d", errno);
    setsockopt(wire->file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(wire->file, address->ai_addr, address->ai_addrlen) == 0)
        return true;
    if (errno == EINPROGRESS || errno == EINTR ? finish_connect(wire, error)
                                               : FAIL(502, "connect: errno %d", errno))
        return true;
    close(wire->file);
    wire->file = -1;
    return false;
}

static bool connect_host(infer_wire *wire, const char *host, uint16_t port,
                         infer_serve_error *error) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char service[8];
    bool good = false;
    snprintf(service, sizeof service, "%u", port);
#ifdef __GLIBC__
    /* Other ways to find hosts are shared libraries of a glibc that need not be this one. */
    __nss_configure_lookup("hosts", "files dns");
#endif
    int status = getaddrinfo(host, service, &hints, &list);
    if (status != 0)
        return FAIL(502, "the host %.100s is not found: %s", host, gai_strerror(status));
    for (const struct addrinfo *at = list; at && !good; at = at->ai_next)
        good = connect_to(wire, at, error);
    freeaddrinfo(list);
    if (good)
        error->status = 0; /* of an address that did not answer */
    return good;
}

/* ---- TLS ---- */

static int send_some(void *wire_void, const unsigned char *data, size_t size) {
    const infer_wire *wire = wire_void;
    ssize_t sent = send(wire->file, data, size, MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent;
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE : -1;
}

static int receive_some(void *wire_void, unsigned char *to, size_t room) {
    const infer_wire *wire = wire_void;
    ssize_t got = recv(wire->file, to, room, 0);
    if (got >= 0)
        return (int)got;
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : -1;
}

/* The variable that says it, else the first of the usual files. */
static const char *find_authorities(void) {
    static const char *const variables[] = {"AWS_CA_BUNDLE", "SSL_CERT_FILE"};
    static const char *const files[] = {
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Amazon Linux, Fedora */
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
        "/etc/ssl/cert.pem",
    };
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *path = getenv(variables[i]);
        if (path && *path)
            return path;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}

/* A bundle may have certificates of kinds that mbedTLS does not know: one that it knows is enough.
 */
static bool read_authorities(infer_wire *wire, infer_serve_error *error) {
    const char *path = find_authorities();
    if (!path)
        return FAIL(502, "there are no certificates of authorities: AWS_CA_BUNDLE names a file");
    int failed = mbedtls_x509_crt_parse_file(&wire->authorities, path);
    if (failed < 0 || !wire->authorities.version)
        return FAIL(502, "%.150s has no certificates of authorities: -0x%x", path, -failed);
    return true;
}

static bool prepare(infer_wire *wire, infer_serve_error *error) {
    if (wire->is_ready)
        return true;
    if (!read_authorities(wire, error))
        return false;
    int status =
        mbedtls_ctr_drbg_seed(&wire->random, mbedtls_entropy_func, &wire->entropy, NULL, 0);
    if (status == 0)
        status =
            mbedtls_ssl_config_defaults(&wire->config, MBEDTLS_SSL_IS_CLIENT,
                                        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (status != 0)
        return FAIL(502, "TLS could not be prepared: -0x%x", -status);
    mbedtls_ssl_conf_min_version(&wire->config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3); /* TLS 1.2 */
    mbedtls_ssl_conf_authmode(&wire->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&wire->config, &wire->authorities, NULL);
    mbedtls_ssl_conf_rng(&wire->config, mbedtls_ctr_drbg_random, &wire->random);
    wire->is_ready = true;
    return true;
}

/* Whether an exchange of bytes is to be tried again, having waited for what it wants. */
static bool goes_on(const infer_wire *wire, int status, infer_serve_error *error) {
    return (status == MBEDTLS_ERR_SSL_WANT_READ && wait_for(wire, POLLIN, error)) ||
           (status == MBEDTLS_ERR_SSL_WANT_WRITE && wait_for(wire, POLLOUT, error));
}

static bool refuse_certificate(uint32_t flags, infer_serve_error *error) {
    static const struct {
        uint32_t flag;
        const char *why;
    } reasons[] = {
        {MBEDTLS_X509_BADCERT_CN_MISMATCH, "is another host's"},
        {MBEDTLS_X509_BADCERT_EXPIRED, "has expired"},
        {MBEDTLS_X509_BADCERT_FUTURE, "is not valid yet"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "is of no known authority"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (flags & reasons[i].flag)
            return FAIL(502, "the host's certificate %s", reasons[i].why);
    return FAIL(502, "the host's certificate is refused: 0x%x", (unsigned)flags);
}

static bool shake_hands(infer_wire *wire, const char *host, infer_serve_error *error) {
    infer_serve_error waiting = {0};
    int status;
    mbedtls_ssl_free(&wire->ssl);
    mbedtls_ssl_init(&wire->ssl);
    status = mbedtls_ssl_setup(&wire->ssl, &wire->config);
    if (status == 0)
        status = mbedtls_ssl_set_hostname(&wire->ssl, host);
    if (status != 0)
        return FAIL(503, "no memory is left for TLS: -0x%x", -status);
    mbedtls_ssl_set_bio(&wire->ssl, wire, send_some, receive_some, NULL);
    do
        status = mbedtls_ssl_handshake(&wire->ssl);
    while (status != 0 && goes_on(wire, status, &waiting));
    if (status == 0)
        return true;
    if (waiting.status)
        *error = waiting;
    else if (status == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
        refuse_certificate(mbedtls_ssl_get_verify_result(&wire->ssl), error);
    else
        infer_serve_fail(error, 502, "TLS failed: -0x%x", -status);
    return false;
}

/* ---- life ---- */

infer_wire *infer_wire_new(void) {
    infer_wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return NULL;
    wire->file = -1;
    mbedtls_ssl_init(&wire->ssl);
    mbedtls_ssl_config_init(&wire->config);
    mbedtls_x509_crt_init(&wire->authorities);
    mbedtls_entropy_init(&wire->entropy);
    mbedtls_ctr_drbg_init(&wire->random);
    return wire;
}

void infer_wire_free(infer_wire *wire) {
    if (!wire)
        return;
    infer_wire_close(wire);
    mbedtls_ssl_free(&wire->ssl);
    mbedtls_ssl_config_free(&wire->config);
    mbedtls_x509_crt_free(&wire->authorities);
    mbedtls_ctr_drbg_free(&wire->random);
    mbedtls_entropy_free(&wire->entropy);
    free(wire);
}

void infer_wire_set_deadline(infer_wire *wire, uint64_t time) {
    wire->deadline = time;
}

bool infer_wire_open(infer_wire *wire, const char *host, uint16_t port, bool tls,
                     infer_serve_error *error) {
    infer_wire_close(wire);
    wire->is_tls = tls;
    if ((!tls || prepare(wire, error)) && connect_host(wire, host, port, error) &&
        (!tls || shake_hands(wire, host, error)))
        return true;
    infer_wire_close(wire);
    return false;
}

void infer_wire_close(infer_wire *wire) {
    if (wire->file >= 0)
        close(wire->file);
    wire->file = -1;
}

/* ---- bytes ---- */

bool infer_wire_is_quiet(const infer_wire *wire) {
    struct pollfd file = {wire->file, POLLIN, 0};
    return wire->file >= 0 && poll(&file, 1, 0) == 0;
}

bool infer_wire_write(infer_wire *wire, const void *data, size_t size, infer_serve_error *error) {
    const unsigned char *at = data;
    while (size) {
        size_t most = size < 1 << 20 ? size : 1 << 20;
        int sent =
            wire->is_tls ? mbedtls_ssl_write(&wire->ssl, at, most) : send_some(wire, at, most);
        if (sent > 0) {
            at += sent;
            size -= (size_t)sent;
        } else if (!goes_on(wire, sent, error)) {
            return error->status ? false : FAIL(502, "the connection broke");
        }
    }
    return true;
}

ssize_t infer_wire_read(infer_wire *wire, void *to, size_t room, infer_serve_error *error) {
    size_t most = room < 1 << 20 ? room : 1 << 20;
    for (;;) {
        int got =
            wire->is_tls ? mbedtls_ssl_read(&wire->ssl, to, most) : receive_some(wire, to, most);
        if (got >= 0)
            return got;
        if (got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return 0;
        if (!goes_on(wire, got, error)) {
            if (!error->status)
                infer_serve_fail(error, 502, "the connection broke");
            return -1;
        }
    }
}
