/* load_wire.c - connects to the server, and moves bytes, with or without TLS. */
#include "load_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef LOAD_TLS
#include <openssl/ssl.h>
#endif

typedef union socket_address {
  struct sockaddr any;
  struct sockaddr_un path;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} socket_address;

/* The length of the address; 0: this program does not connect to it. */
static socklen_t resolve(const address *a, socket_address *out) {
  *out = (socket_address){0};
  if (a->path != NULL) {
    out->path.sun_family = AF_UNIX;
    if (strlen(a->path) >= sizeof out->path.sun_path) return 0;
    strcpy(out->path.sun_path, a->path);
    return sizeof out->path;
  }
  if (inet_pton(AF_INET, a->host, &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)a->port);
    return ntohl(out->v4.sin_addr.s_addr) >> 24 == 127 ? sizeof out->v4 : 0;
  }
  if (inet_pton(AF_INET6, a->host, &out->v6.sin6_addr) != 1) return 0;
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons((uint16_t)a->port);
  return IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr) ? sizeof out->v6 : 0;
}

const char *address_refused(const address *a) {
  socket_address ignored;
#ifndef LOAD_TLS
  if (a->tls) return "built without TLS, since there were no headers of OpenSSL";
#endif
  if (a->tls && a->path != NULL) return "TLS is for TCP";
  return resolve(a, &ignored) != 0 ? NULL : "only a loopback address or a UNIX socket's path is connected to";
}

#ifdef LOAD_TLS
/* One context for all connections, made by the first of them. */
static const char *start_tls(wire *w) {
  static SSL_CTX *context;
  SSL_CTX *made, *none = NULL;
  if (__atomic_load_n(&context, __ATOMIC_ACQUIRE) == NULL) {
    made = SSL_CTX_new(TLS_client_method());
    if (made == NULL) return "no TLS context";
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!__atomic_compare_exchange_n(&context, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      SSL_CTX_free(made);
  }
  SSL *ssl = SSL_new(context);
  w->tls = ssl;
  if (ssl == NULL || SSL_set_fd(ssl, w->fd) != 1 || SSL_connect(ssl) != 1) return "no TLS connection";
  return NULL;
}
#endif

const char *wire_open(wire *w, const address *a) {
  socket_address where;
  const int on = 1;
  socklen_t len = resolve(a, &where);
  *w = (wire){.fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (w->fd < 0 || connect(w->fd, &where.any, len) != 0) return strerror(errno);
  if (a->path == NULL) setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef LOAD_TLS
  const char *error = a->tls ? start_tls(w) : NULL;
  if (error != NULL) return error;
#endif
  return fcntl(w->fd, F_SETFL, O_NONBLOCK) == 0 ? NULL : strerror(errno);
}

void wire_close(wire *w) {
#ifdef LOAD_TLS
  SSL_free(w->tls);
#endif
  if (w->fd >= 0) close(w->fd);
  *w = (wire){.fd = -1};
}

#ifdef LOAD_TLS
static ssize_t tls_result(wire *w, int n) {
  if (n > 0) return n;
  int error = SSL_get_error(w->tls, n);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}
#endif

static ssize_t plain_result(ssize_t n) {
  if (n > 0) return n;
  return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

ssize_t wire_send(wire *w, const char *data, size_t len) {
#ifdef LOAD_TLS
  if (w->tls != NULL) return tls_result(w, SSL_write(w->tls, data, len < INT32_MAX ? (int)len : INT32_MAX));
#endif
  return plain_result(send(w->fd, data, len, MSG_NOSIGNAL));
}

ssize_t wire_receive(wire *w, char *data, size_t len) {
#ifdef LOAD_TLS
  if (w->tls != NULL) return tls_result(w, SSL_read(w->tls, data, len < INT32_MAX ? (int)len : INT32_MAX));
#endif
  return plain_result(recv(w->fd, data, len, 0));
}

bool wire_pending(const wire *w) {
#ifdef LOAD_TLS
  return w->tls != NULL && SSL_has_pending(w->tls);
#else
  return w->tls != NULL;
#endif
}
