/* load_stream.h - the requests of a run, made before its clock starts and sent over and over. */
#ifndef LOAD_STREAM_H
#define LOAD_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define KEY_LENGTH 16u /* a prefix of four characters and twelve digits */
#define MANY 10u       /* keys of an MGET or MSET */
#define MAX_WORDS 64u  /* of a command that is given */

typedef enum protocol { RESP, MEMCACHED } protocol;
/* FILL sets key after key; MIXED is one SET for ten GETs, its keys zipf-distributed; the others take keys evenly.
 * COMMAND sends the command that is given, with keys and members taken evenly; FILL sends it, if one is given, for each
 * member of each key. */
typedef enum workload { GET, SET, MIXED, MGET, MSET, INCR, FILL, COMMAND, WORKLOADS } workload;
/* The form of a command's reply. */
typedef enum reply_kind { STORED, VALUE, VALUES, NUMBER, ANY, REPLY_KINDS } reply_kind;

typedef struct load_plan {
  protocol protocol;
  workload workload;
  const char *prefix; /* of the keys */
  uint64_t keys;
  uint32_t value; /* bytes */
  uint32_t pipeline;
  double zipf; /* exponent, for MIXED */
  /* The words of the command that is given, RESP only; none: 0 words. Several commands, with the word ";" between them,
   * are sent in turns, all of a turn to one key and for one member. In a word stand: %k for the key, %j for a key of
   * 10 characters (up to a million of them); and for the member's number %m a name of 16 characters, %f one of 8, %n
   * the number plus 1,000,000,000, %i the number, %s a score, the same for the member each time; %r for a score at
   * random, %x and %y for degrees from 0 to 10 at random, %v for a value of `value` bytes. */
  const char *words[MAX_WORDS];
  uint32_t num_words;
  uint64_t members; /* of each key */
} load_plan;

/* Batches of `pipeline` commands. Batch i is bytes[ends[i - 1]] .. bytes[ends[i]], and its commands are answered with
 * kinds[i * pipeline] and so on. */
typedef struct stream {
  char *bytes;
  size_t *ends;
  uint8_t *kinds;
  uint32_t batches;
} stream;

/* At most so many commands and bytes are prepared for the workloads that repeat; FILL prepares all its keys. */
#define STREAM_COMMANDS (1u << 18)
#define STREAM_BYTES (64u << 20)

/* Make the requests of `plan`, the same for the same `seed`. Returns NULL, or the reason for a failure. */
const char *stream_make(stream *s, const load_plan *plan, uint64_t seed);
void stream_free(stream *s);

#endif
