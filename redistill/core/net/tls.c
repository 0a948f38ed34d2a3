/* tls.c - receives and sends through OpenSSL, with the functions that the loop was given. */
#include <errno.h>
#include <sys/epoll.h>

#include "net/conn.h"

enum { SSL_WANT_READ = 2, SSL_WANT_WRITE = 3, SSL_SYSCALL = 5, SSL_CLOSED = 6 }; /* SSL_get_error(3) */

/* The result of SSL_read or SSL_write in the terms of recv and send. *wants: the event to wait for. */
static ssize_t tls_result(const rd_loop *l, const rd_conn *c, int n, uint32_t *wants) {
  if (n > 0) return n;
  int system = errno;
  switch (l->tls.get_error(c->ssl, n)) {
    case SSL_WANT_READ:
      *wants = EPOLLIN;
      errno = EAGAIN;
      return -1;
    case SSL_WANT_WRITE:
      *wants = EPOLLOUT;
      errno = EAGAIN;
      return -1;
    case SSL_CLOSED:
      return 0;
    case SSL_SYSCALL:
      errno = system ? system : ECONNRESET;
      return -1;
    default:
      errno = EPROTO;
      return -1;
  }
}

ssize_t rd_tls_receive(const rd_loop *l, const rd_conn *c, uint8_t *data, size_t len, uint32_t *wants) {
  l->tls.clear_error();
  errno = 0;
  return tls_result(l, c, l->tls.read(c->ssl, data, len > INT32_MAX ? INT32_MAX : (int)len), wants);
}

ssize_t rd_tls_send(const rd_loop *l, const rd_conn *c, const uint8_t *data, size_t len, uint32_t *wants) {
  l->tls.clear_error();
  errno = 0;
  ssize_t n = tls_result(l, c, l->tls.write(c->ssl, data, len > INT32_MAX ? INT32_MAX : (int)len), wants);
  if (n != 0) return n;
  errno = EPIPE; /* the peer has closed the connection */
  return -1;
}
