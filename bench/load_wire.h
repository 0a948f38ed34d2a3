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

/* Why the address will not be connected to, or NULL: any but a loopback address, or TLS in a build without it. */
const char *address_refused(const address *a);
/* Connect; non-blocking from then on. The certificate is not checked. A message why not, or NULL. */
const char *wire_open(wire *w, const address *a);
void wire_close(wire *w);
/* Bytes moved; 0 when it would block, -1 when the connection is at its end. */
ssize_t wire_send(wire *w, const char *data, size_t len);
ssize_t wire_receive(wire *w, char *data, size_t len);
/* Whether bytes were received that epoll does not know of. */
bool wire_pending(const wire *w);

#endif
