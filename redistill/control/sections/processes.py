"""The sections of INFO about the server's processes, their clients and their certificate."""

from __future__ import annotations

import os
import platform
import sys

from redistill import __version__
from redistill.control.sections.fields import Fields
from redistill.control.state import REDIS_VERSION, ServerState
from redistill.engine import stats
from redistill.engine.shared import SUPERVISOR

COMPILER = platform.python_compiler().rpartition(" ")[2]
"""The compiler of the interpreter; extensions are built with the same one."""


def server(server: ServerState, now: stats.Snapshot) -> Fields:
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


def clients(server: ServerState, now: stats.Snapshot) -> Fields:
    return (
        ("connected_clients", now.clients.connected),
        ("cluster_connections", 0),
        ("maxclients", server.config.server.max_connections),
        ("client_recent_max_input_buffer", now.clients.largest_input),
        ("client_recent_max_output_buffer", now.clients.largest_output),
        ("blocked_clients", now.clients.blocked),
        ("tracking_clients", now.clients.tracked.clients),
        ("pubsub_clients", now.clients.subscribed),
        ("watching_clients", now.clients.watching),
        ("clients_in_timeout_table", now.clients.timed),
        ("total_blocking_keys", now.clients.blocking_keys),
        ("total_blocking_keys_on_nokey", 0),
    )


def cpu(server: ServerState, now: stats.Snapshot) -> Fields:
    return (
        ("used_cpu_sys", f"{now.cpu_system:.6f}"),
        ("used_cpu_user", f"{now.cpu_user:.6f}"),
        ("used_cpu_sys_children", "0.000000"),
        ("used_cpu_user_children", "0.000000"),
        ("used_cpu_sys_main_thread", f"{now.cpu_system:.6f}"),
        ("used_cpu_user_main_thread", f"{now.cpu_user:.6f}"),
    )


def workers(server: ServerState, now: stats.Snapshot) -> Fields:
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


def certificate(server: ServerState, now: stats.Snapshot) -> Fields:
    """The certificate that clients are shown."""
    shown = server.certificate
    if shown is not None:
        yield "tls_certificate_subject", shown.subject
        yield "tls_certificate_sha256", shown.fingerprint
        yield "tls_certificate_not_before", int(shown.begins)
        yield "tls_certificate_expires", int(shown.expires)
        yield "tls_certificate_days_left", int((shown.expires - now.unix_time) // 86400)
        yield "tls_client_auth", server.config.security.tls_client_auth
