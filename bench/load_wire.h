/* load_wire.h - a connection to a server on this machine: TCP on a loopback address, a UNIX socket, TLS over TCP. */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct address {
  const char *path; /* of a UNIX socket; NULL: host and port */
  const char *host;
  unsigned port;
  bool tls;
} address;

typedef struct wire {
  int fd;
  void *tls; /* SSL, or NULL */
} wire;

/* The reason why this program refuses the address (not loopback, or TLS in a build without it), or NULL. */
const char *address_refused(const address *a);
/* Connect; non-blocking from then on. The certificate is not checked. Returns NULL, or the reason for a failure. */
const char *wire_open(wire *w, const address *a);
void wire_close(wire *w);
/* Bytes moved; 0 when it would block, -1 when the connection is at its end. */
ssize_t wire_send(wire *w, const char *data, size_t len);
ssize_t wire_receive(wire *w, char *data, size_t len);
/* True if bytes were received that epoll does not report. */
bool wire_pending(const wire *w);

#endif
