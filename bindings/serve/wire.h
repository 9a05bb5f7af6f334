/* A connection to a host, in the clear or by TLS, with a time by which all has to be done. */
#ifndef INFER_SERVE_WIRE_H
#define INFER_SERVE_WIRE_H

#include <sys/types.h>

#include "core.h"

typedef struct infer_wire infer_wire;

/* Not connected yet; NULL for no memory. Authorities are read by the first connection by TLS. */
infer_wire *infer_wire_new(void);
void infer_wire_free(infer_wire *wire);

/* What follows ends at this time of infer_serve_now with 504; other failures are 502. */
void infer_wire_set_deadline(infer_wire *wire, uint64_t time);

/* By TLS the certificate has to be a known authority's and the host's. A wire that is open is
 * closed before. */
bool infer_wire_open(infer_wire *wire, const char *host, uint16_t port, bool tls,
                     infer_serve_error *error);
void infer_wire_close(infer_wire *wire);

/* Whether it is open and the other side sent nothing: between exchanges anything is an end. */
bool infer_wire_is_quiet(const infer_wire *wire);

/* Writes it all. */
bool infer_wire_write(infer_wire *wire, const void *data, size_t size, infer_serve_error *error);

/* Bytes that came, 0 at the end, -1 with the error set. */
ssize_t infer_wire_read(infer_wire *wire, void *to, size_t room, infer_serve_error *error);

#endif
