/* processes.h - starts other processes that join a test's arena. */
#ifndef RD_TEST_PROCESSES_H
#define RD_TEST_PROCESSES_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/worker.h"
#include "arena_fixture.h"
#include "check.h"
#include "store/run.h"

/* Start a process that joins the arena as `number` and does `work`. Returns when the work is done; the process then
 * waits to be killed. */
static inline pid_t start(rd_store *st, uint32_t number, void (*work)(rd_store *)) {
  int done[2];
  char word;
  CHECK(pipe(done) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    rd_store own;
    char err[200];
    if (rd_attach(&own, st->fd, err, sizeof err) != 0 || rd_worker_join(&own, number) < 0) _exit(2);
    work(&own);
    if (write(done[1], "x", 1) != 1) _exit(3);
    for (;;) pause();
  }
  close(done[1]);
  CHECK_INT(read(done[0], &word, 1), 1);
  close(done[0]);
  return pid;
}

static inline void stop(pid_t pid) {
  int status;
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The index of the block of the worker with this number; RD_MAX_WORKERS: there is none. */
static inline uint32_t place_of(rd_store *st, uint32_t number) {
  rd_worker_figures f;
  uint32_t i = 0;
  while (i < RD_MAX_WORKERS && !(rd_worker_info(st, i, &f) && f.number == number)) i++;
  return i;
}

/* An address made from a number. */
static inline const uint8_t *address(uint32_t n) {
  static uint8_t bytes[16];
  memset(bytes, 0, sizeof bytes);
  memcpy(bytes, &n, sizeof n);
  return bytes;
}

#endif
