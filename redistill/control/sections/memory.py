"""The section of INFO about memory."""

from __future__ import annotations

from redistill.control.sections.fields import Fields, human, part
from redistill.control.state import ServerState
from redistill.engine import stats


def memory(server: ServerState, now: stats.Snapshot) -> Fields:
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
