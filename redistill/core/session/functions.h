/* functions.h - libraries of functions: FUNCTION, FCALL and FCALL_RO; for the files of this folder.
 *
 * The code of a library is in the arena (store/scripts.h). Each process compiles all of them when one of its clients
 * first uses functions, and again those that have changed since: one number of the arena tells whether any has. */
#ifndef RD_FUNCTIONS_H
#define RD_FUNCTIONS_H

#include "session/scripts.h"

typedef struct rd_function {
  char *name, *description; /* malloc'd; `description` NULL: none */
  size_t name_len, description_len;
  rd_script script; /* its number in the sandbox, its flags; it has no body */
} rd_function;

typedef struct rd_library {
  char *name; /* malloc'd */
  size_t name_len;
  rd_bytes code; /* malloc'd, with its first line */
  rd_function *functions;
  uint32_t count;
  struct rd_library *next;
} rd_library;

/* Compile a library. NULL, with the error in `error`. */
rd_library *rd_library_load(rd_scripts *scripts, rd_bytes code, char *error, size_t error_len);
void rd_library_free(rd_scripts *scripts, rd_library *library);
rd_function *rd_library_function(const rd_library *library, rd_bytes name);

#endif
