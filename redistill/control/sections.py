"""The sections of INFO: which figures of the snapshot they show, under Redis's names."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping

from redistill import __version__
from redistill.control.state import REDIS_VERSION, ServerState
from redistill.engine import stats
from redistill.engine.shared import SUPERVISOR

Fields = Iterable[tuple[str, object]]
Section = Callable[[ServerState, stats.Snapshot], Fields]

COMPILER = platform.python_compiler().rpartition(" ")[2]
"""The compiler of the interpreter; extensions are built with the same one."""


def human(size: int) -> str:
    """Bytes as Redis rounds them for people."""
    if size < 1024:
        return f"{size}B"
    amount = float(size)
    for unit in "KMGTP":
        amount /= 1024
        if amount < 1024 or unit == "P":
            break
    return f"{amount:.2f}{unit}"


def part(some: float, whole: float) -> str:
    """A percentage."""
    return f"{100 * some / whole if whole else 0:.2f}%"


def _server(server: ServerState, now: stats.Snapshot) -> Fields:
    system = os.uname()
    uptime = int(now.uptime)
    return (
        ("redis_version", REDIS_VERSION),
        ("redistill_version", __version__),
        ("redis_git_sha1", "00000000"),
        ("redis_git_dirty", 0),
        ("redis_build_id", "0"),
        ("redis_mode", "standalone"),
        ("os", f"{system.sysname} {system.release} {system.machine}"),
        ("arch_bits", 64 if sys.maxsize > 2**32 else 32),
        ("monotonic_clock", "POSIX clock_gettime"),
        ("multiplexing_api", "twisted"),
        ("atomicvar_api", "c11-builtin"),
        ("gcc_version", COMPILER),
        ("python_version", platform.python_version()),
        ("process_id", os.getppid() if server.identity.workers > 1 else os.getpid()),
        ("process_supervised", server.identity.supervised),
        ("run_id", server.identity.run_id),
        ("tcp_port", server.config.server.port),
        ("server_time_usec", int(now.unix_time * 1_000_000)),
        ("uptime_in_seconds", uptime),
        ("uptime_in_days", uptime // 86400),
        ("hz", 10),
        ("configured_hz", 10),
        ("lru_clock", int(now.unix_time) & 0xFFFFFF),
        ("executable", sys.executable),
        ("config_file", server.config.path),
        ("io_threads_active", 0),
        ("num_shards", now.num_shards),
        ("worker_number", server.number),
    )


def _clients(server: ServerState, now: stats.Snapshot) -> Fields:
    return (
        ("connected_clients", now.clients.connected),
        ("cluster_connections", 0),
        ("maxclients", server.config.server.max_connections),
        ("client_recent_max_input_buffer", now.clients.largest_input),
        ("client_recent_max_output_buffer", now.clients.largest_output),
        ("blocked_clients", now.clients.blocked),
        ("tracking_clients", 0),
        ("pubsub_clients", 0),
        ("watching_clients", now.clients.watching),
        ("clients_in_timeout_table", 0),
    )


def _memory(server: ServerState, now: stats.Snapshot) -> Fields:
    """The arena takes the allocator's place; what its empty tables took is the overhead, the rest is data."""
    used, active, rss = now.used_memory, now.committed_memory, now.resident_memory
    dataset = max(0, used - now.fixed_memory)

    def ratio(some: int, whole: int) -> str:
        return f"{some / max(whole, 1):.2f}"

    return (
        ("used_memory", used),
        ("used_memory_human", human(used)),
        ("used_memory_rss", rss),
        ("used_memory_rss_human", human(rss)),
        ("used_memory_peak", now.peak_memory),
        ("used_memory_peak_human", human(now.peak_memory)),
        ("used_memory_peak_perc", part(used, now.peak_memory)),
        ("used_memory_overhead", used - dataset),
        ("used_memory_startup", now.fixed_memory),
        ("used_memory_dataset", dataset),
        ("used_memory_dataset_perc", part(dataset, used)),
        ("allocator_allocated", used),
        ("allocator_active", active),
        ("allocator_resident", active),
        ("total_system_memory", now.total_memory),
        ("total_system_memory_human", human(now.total_memory)),
        ("used_memory_lua", 0),
        ("used_memory_vm_eval", 0),
        ("used_memory_lua_human", human(0)),
        ("used_memory_scripts_eval", 0),
        ("number_of_cached_scripts", 0),
        ("number_of_functions", 0),
        ("number_of_libraries", 0),
        ("used_memory_vm_functions", 0),
        ("used_memory_vm_total", 0),
        ("used_memory_vm_total_human", human(0)),
        ("used_memory_functions", 0),
        ("used_memory_scripts", 0),
        ("used_memory_scripts_human", human(0)),
        ("maxmemory", now.max_memory),
        ("maxmemory_human", human(now.max_memory)),
        ("maxmemory_policy", now.policy),
        ("allocator_frag_ratio", ratio(active, used)),
        ("allocator_frag_bytes", active - used),
        ("allocator_rss_ratio", ratio(1, 1)),
        ("allocator_rss_bytes", 0),
        ("rss_overhead_ratio", ratio(rss, active)),
        ("rss_overhead_bytes", rss - active),
        ("mem_fragmentation_ratio", ratio(active, used)),
        ("mem_fragmentation_bytes", active - used),
        ("mem_not_counted_for_evict", 0),
        ("mem_replication_backlog", 0),
        ("mem_total_replication_buffers", 0),
        ("mem_clients_slaves", 0),
        ("mem_clients_normal", now.clients.memory),
        ("mem_cluster_links", 0),
        ("mem_aof_buffer", 0),
        ("mem_allocator", "redistill-arena"),
        ("mem_arena_mapped", now.map_size),
        ("active_defrag_running", 0),
        ("lazyfree_pending_objects", 0),
        ("lazyfreed_objects", 0),
    )


def _persistence(server: ServerState, now: stats.Snapshot) -> Fields:
    return (
        ("loading", 0),
        ("async_loading", 0),
        ("current_cow_peak", 0),
        ("current_cow_size", 0),
        ("current_cow_size_age", 0),
        ("current_fork_perc", "0.00"),
        ("current_save_keys_processed", 0),
        ("current_save_keys_total", 0),
        ("rdb_changes_since_last_save", now.counters.get("changes", 0) - server.identity.changes_before),
        ("rdb_bgsave_in_progress", 0),
        ("rdb_last_save_time", int(now.started)),
        ("rdb_last_bgsave_status", "ok"),
        ("rdb_last_bgsave_time_sec", -1),
        ("rdb_current_bgsave_time_sec", -1),
        ("rdb_saves", 0),
        ("rdb_last_cow_size", 0),
        ("rdb_last_load_keys_expired", 0),
        ("rdb_last_load_keys_loaded", 0),
        ("aof_enabled", 0),
        ("aof_rewrite_in_progress", 0),
        ("aof_rewrite_scheduled", 0),
        ("aof_last_rewrite_time_sec", -1),
        ("aof_current_rewrite_time_sec", -1),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_rewrites", 0),
        ("aof_rewrites_consecutive_failures", 0),
        ("aof_last_write_status", "ok"),
        ("aof_last_cow_size", 0),
        ("module_fork_in_progress", 0),
        ("module_fork_last_cow_size", 0),
    )


def _stats(server: ServerState, now: stats.Snapshot) -> Fields:
    core, daemon = now.counters, now.daemon

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
        ("rejected_connections", daemon.rejected_connections),
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
        ("pubsub_channels", 0),
        ("pubsub_patterns", 0),
        ("pubsubshard_channels", 0),
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
        ("tracking_total_keys", 0),
        ("tracking_total_items", 0),
        ("tracking_total_prefixes", 0),
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
        ("acl_access_denied_channel", 0),
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


def _replication(server: ServerState, now: stats.Snapshot) -> Fields:
    return (
        ("role", "master"),
        ("connected_slaves", 0),
        ("master_failover_state", "no-failover"),
        ("master_replid", server.identity.replication_id),
        ("master_replid2", "0" * 40),
        ("master_repl_offset", 0),
        ("second_repl_offset", -1),
        ("repl_backlog_active", 0),
        ("repl_backlog_size", 1048576),
        ("repl_backlog_first_byte_offset", 0),
        ("repl_backlog_histlen", 0),
    )


def _cpu(server: ServerState, now: stats.Snapshot) -> Fields:
    return (
        ("used_cpu_sys", f"{now.cpu_system:.6f}"),
        ("used_cpu_user", f"{now.cpu_user:.6f}"),
        ("used_cpu_sys_children", "0.000000"),
        ("used_cpu_user_children", "0.000000"),
        ("used_cpu_sys_main_thread", f"{now.cpu_system:.6f}"),
        ("used_cpu_user_main_thread", f"{now.cpu_user:.6f}"),
    )


def _commandstats(server: ServerState, now: stats.Snapshot) -> Fields:
    for one in now.commands:
        microseconds = one.nanoseconds // 1000
        each = one.nanoseconds / 1000 / one.calls if one.calls else 0.0
        yield (
            f"cmdstat_{one.name}",
            f"calls={one.calls},usec={microseconds},usec_per_call={each:.2f},"
            f"rejected_calls={one.rejected},failed_calls={one.failed}",
        )


def _errorstats(server: ServerState, now: stats.Snapshot) -> Fields:
    for code, count in sorted(now.errors.items()):
        yield f"errorstat_{code}", f"count={count}"


def _workers(server: ServerState, now: stats.Snapshot) -> Fields:
    """A line a process that serves clients."""
    yield "workers", server.identity.workers
    yield "connections_moved", now.daemon.connections_moved
    for one in sorted(now.workers, key=lambda one: one.number):
        if one.number != SUPERVISOR:
            yield (
                f"worker{one.number}",
                f"pid={one.pid},clients={one.connections},commands={one.commands}"
                f",cpu_user={one.cpu_user:.3f},cpu_sys={one.cpu_system:.3f}"
                f",private_memory={one.gauges['resident_memory']}",
            )


def _tls(server: ServerState, now: stats.Snapshot) -> Fields:
    """The certificate that clients are shown."""
    certificate = server.certificate
    if certificate is not None:
        yield "tls_certificate_subject", certificate.subject
        yield "tls_certificate_sha256", certificate.fingerprint
        yield "tls_certificate_expires", int(certificate.expires)
        yield "tls_certificate_days_left", int((certificate.expires - now.unix_time) // 86400)
        yield "tls_client_auth", server.config.security.tls_client_auth


def _latencystats(server: ServerState, now: stats.Snapshot) -> Fields:
    settings = server.config.performance
    shares = [(name, float(name) / 100) for name in settings.latency_percentiles]
    for one in now.commands if settings.latency_tracking else ():
        if sum(one.histogram):
            values = ",".join(f"p{name}={percentile(one, share):.3f}" for name, share in shares)
            yield f"latency_percentiles_usec_{one.name}", values


def percentile(count: stats.CommandCount, share: float) -> float:
    """Microseconds that `share` of the calls did not exceed, taken as spread evenly within their bucket."""
    wanted = share * sum(count.histogram)
    seen = 0.0
    for bucket, calls in enumerate(count.histogram):
        if calls and seen + calls >= wanted:
            low = 1 << bucket - 1 if bucket else 0
            return low + ((1 << bucket) - low) * (wanted - seen) / calls
        seen += calls
    return 0.0


def _keyspace(server: ServerState, now: stats.Snapshot) -> Fields:
    for database in now.databases:
        yield (
            f"db{database.number}",
            f"keys={database.keys},expires={database.expires},avg_ttl={database.average_ttl}",
        )


SECTIONS: Mapping[str, tuple[str, Section]] = {
    "server": ("Server", _server),
    "clients": ("Clients", _clients),
    "memory": ("Memory", _memory),
    "persistence": ("Persistence", _persistence),
    "stats": ("Stats", _stats),
    "replication": ("Replication", _replication),
    "cpu": ("CPU", _cpu),
    "modules": ("Modules", lambda server, now: ()),
    "commandstats": ("Commandstats", _commandstats),
    "errorstats": ("Errorstats", _errorstats),
    "latencystats": ("Latencystats", _latencystats),
    "workers": ("Workers", _workers),
    "unknowncommands": ("Unknowncommands", lambda server, now: ()),  # asked of all workers: see commands.info
    "secrets": ("Secrets", lambda server, now: ()),  # in part asked of all workers: see commands.info
    "tls": ("TLS", _tls),
    "cluster": ("Cluster", lambda server, now: (("cluster_enabled", 0),)),
    "keyspace": ("Keyspace", _keyspace),
}
