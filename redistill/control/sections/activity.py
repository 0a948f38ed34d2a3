"""The sections of INFO about traffic and keys."""

from __future__ import annotations

from redistill.control.sections.fields import Fields
from redistill.control.state import ServerState
from redistill.engine import stats


def traffic(server: ServerState, now: stats.Snapshot) -> Fields:
    core, daemon = now.counters, now.daemon
    channels, patterns, shard_channels = now.clients.subscriptions

    def counted(name: str) -> tuple[str, int]:
        return name, core.get(name, 0)

    return (
        ("total_connections_received", daemon.connections_received),
        counted("total_commands_processed"),
        ("instantaneous_ops_per_sec", round(now.rate.commands)),
        counted("total_net_input_bytes"),
        counted("total_net_output_bytes"),
        ("total_net_repl_input_bytes", 0),
        ("total_net_repl_output_bytes", 0),
        ("instantaneous_input_kbps", f"{now.rate.input_bytes / 1024:.2f}"),
        ("instantaneous_output_kbps", f"{now.rate.output_bytes / 1024:.2f}"),
        ("instantaneous_input_repl_kbps", "0.00"),
        ("instantaneous_output_repl_kbps", "0.00"),
        counted("rejected_connections"),
        ("sync_full", 0),
        ("sync_partial_ok", 0),
        ("sync_partial_err", 0),
        counted("expired_keys"),
        ("expired_stale_perc", "0.00"),
        ("expired_time_cap_reached_count", 0),
        ("expire_cycle_cpu_milliseconds", core.get("expire_cycle_ns", 0) // 1_000_000),
        counted("evicted_keys"),
        counted("evicted_regions"),
        ("evicted_clients", daemon.evicted_clients),
        ("total_eviction_exceeded_time", 0),
        ("current_eviction_exceeded_time", 0),
        counted("keyspace_hits"),
        counted("keyspace_misses"),
        ("keyspace_hit_ratio", f"{now.hit_ratio:.4f}"),
        ("pubsub_channels", channels),
        ("pubsub_patterns", patterns),
        ("pubsubshard_channels", shard_channels),
        counted("messages_published"),
        counted("messages_delivered"),
        counted("messages_lost"),
        ("latest_fork_usec", 0),
        ("total_forks", 0),
        ("migrate_cached_sockets", 0),
        ("slave_expires_tracked_keys", 0),
        ("active_defrag_hits", 0),
        ("active_defrag_misses", 0),
        ("active_defrag_key_hits", 0),
        ("active_defrag_key_misses", 0),
        ("total_active_defrag_time", 0),
        ("current_active_defrag_time", 0),
        ("tracking_total_keys", now.clients.tracked.keys),
        ("tracking_total_items", now.clients.tracked.items),
        ("tracking_total_prefixes", now.clients.tracked.prefixes),
        counted("tracking_invalidations"),
        counted("unexpected_error_replies"),
        counted("total_error_replies"),
        ("dump_payload_sanitizations", 0),
        counted("total_reads_processed"),
        counted("total_writes_processed"),
        ("io_threaded_reads_processed", 0),
        ("io_threaded_writes_processed", 0),
        ("reply_buffer_shrinks", 0),
        ("reply_buffer_expands", 0),
        ("acl_access_denied_auth", daemon.failed_auths),
        ("acl_access_denied_cmd", daemon.denied_commands),
        ("acl_access_denied_key", daemon.denied_keys),
        ("acl_access_denied_channel", daemon.denied_channels),
        ("client_query_buffer_limit_disconnections", daemon.query_disconnections),
        ("client_output_buffer_limit_disconnections", daemon.output_disconnections),
        ("idle_disconnections", daemon.idle_disconnections),
        ("tls_handshakes_failed", daemon.tls_handshakes_failed),
        counted("protocol_errors"),
        counted("oom_errors"),
        ("internal_errors", daemon.internal_errors),
        counted("shards_lost"),
        counted("regions_refused"),
        counted("index_splits"),
        ("unknown_commands", daemon.unknown_commands),
    )


def keyspace(server: ServerState, now: stats.Snapshot) -> Fields:
    for database in now.databases:
        yield (
            f"db{database.number}",
            f"keys={database.keys},expires={database.expires},avg_ttl={database.average_ttl}",
        )
