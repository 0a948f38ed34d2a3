/* stats.h - the core's counters and gauges. Each worker counts in its own block; readers sum over the blocks. */
#ifndef RD_STATS_H
#define RD_STATS_H

#include "base/base.h"

/* X(name): one 64-bit counter. The names are those of INFO where Redis has one. */
#define RD_STATS(X)           \
  X(total_commands_processed) \
  X(keyspace_hits)            \
  X(keyspace_misses)          \
  X(expired_keys)             \
  X(evicted_keys)             \
  X(evicted_regions)          \
  X(total_error_replies)      \
  X(unexpected_error_replies) \
  X(protocol_errors)          \
  X(total_net_input_bytes)    \
  X(total_net_output_bytes)   \
  X(total_reads_processed)    \
  X(total_writes_processed)   \
  X(oom_errors)               \
  X(shards_lost)              \
  X(regions_refused)          \
  X(index_splits)             \
  X(expire_cycle_ns)          \
  X(changes)                  \
  X(messages_published)       \
  X(messages_delivered)       \
  X(messages_lost)            \
  X(tracking_invalidations)   \
  RD_DAEMON_STATS(X)

/* Connections, how they ended, and what went wrong in the control plane. admission.c counts refused connections, the
 * daemon all others. */
#define RD_DAEMON_STATS(X) \
  X(connections_received)  \
  X(rejected_connections)  \
  X(rejected_maximum)      \
  X(rejected_address)      \
  X(rejected_rate)         \
  X(idle_disconnections)   \
  X(output_disconnections) \
  X(evicted_clients)       \
  X(query_disconnections)  \
  X(failed_auths)          \
  X(denied_commands)       \
  X(denied_keys)           \
  X(denied_channels)       \
  X(tls_handshakes_failed) \
  X(internal_errors)       \
  X(unknown_commands)      \
  X(connections_moved)

/* X(name): a current figure of a worker. Over all workers the gauges are summed; from largest_input on the largest
 * counts. */
#define RD_GAUGES(X)   \
  X(connected_clients) \
  X(blocked_clients)   \
  X(timed_clients)     \
  X(watching_clients)  \
  X(client_memory)     \
  X(client_buffers)    \
  X(resident_memory)   \
  X(monitors)          \
  X(pubsub_clients)    \
  X(tracking_clients)  \
  X(tracking_keys)     \
  X(tracking_items)    \
  X(tracking_prefixes) \
  X(largest_input)     \
  X(largest_output)    \
  X(largest_client)

#define RD_STAT_ENUM(name) RD_STAT_##name,
#define RD_GAUGE_ENUM(name) RD_GAUGE_##name,

/* python: begin */
typedef enum rd_stat { RD_STATS(RD_STAT_ENUM) RD_STAT_COUNT } rd_stat;
typedef enum rd_gauge { RD_GAUGES(RD_GAUGE_ENUM) RD_GAUGE_COUNT } rd_gauge;

#define RD_COMMAND_IDS 640u    /* commands and subcommands of the table, flattened */
#define RD_LATENCY_BUCKETS 36u /* buckets of durations, see rd_latency_bucket */
#define RD_ERROR_CODES 48u
#define RD_ERROR_NAME 24u

typedef struct rd_command_stats {
  uint64_t calls;
  uint64_t nanoseconds;
  uint64_t rejected; /* refused before they ran: arity, NOAUTH, OOM by the dispatcher ... */
  uint64_t failed;   /* ran, and replied with an error */
  uint32_t histogram[RD_LATENCY_BUCKETS];
} rd_command_stats;

typedef struct rd_error_stats {
  char code[RD_ERROR_NAME]; /* the error's first word, e.g. "WRONGTYPE"; "" ends the list */
  uint64_t count;
} rd_error_stats;

typedef struct rd_counters {
  uint64_t value[RD_STAT_COUNT];
  rd_error_stats errors[RD_ERROR_CODES];
  rd_command_stats commands[RD_COMMAND_IDS];
} rd_counters;
/* python: end */

/* Bucket 0: below 1 us; i: from 2^(i-1) to below 2^i us; the last one holds all longer durations. */
static inline uint32_t rd_latency_bucket(uint64_t nanoseconds) {
  uint64_t us = nanoseconds / 1000;
  uint32_t bits = us == 0 ? 0 : 64u - (uint32_t)__builtin_clzll(us);
  return bits < RD_LATENCY_BUCKETS ? bits : RD_LATENCY_BUCKETS - 1;
}

#endif
