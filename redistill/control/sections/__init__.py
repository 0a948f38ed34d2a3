"""The sections of INFO: which figures of the snapshot they show, under Redis's names."""

from __future__ import annotations

from collections.abc import Mapping

from redistill.control.sections import activity, commands, memory, persistence, processes
from redistill.control.sections.fields import Section

SECTIONS: Mapping[str, tuple[str, Section]] = {
    "server": ("Server", processes.server),
    "clients": ("Clients", processes.clients),
    "memory": ("Memory", memory.memory),
    "persistence": ("Persistence", persistence.persistence),
    "stats": ("Stats", activity.traffic),
    "replication": ("Replication", persistence.replication),
    "cpu": ("CPU", processes.cpu),
    "modules": ("Modules", lambda server, now: ()),
    "commandstats": ("Commandstats", commands.commandstats),
    "errorstats": ("Errorstats", commands.errorstats),
    "latencystats": ("Latencystats", commands.latencystats),
    "workers": ("Workers", processes.workers),
    "unknowncommands": ("Unknowncommands", lambda server, now: ()),  # asked of all workers: see info.SHARED
    "secrets": ("Secrets", lambda server, now: ()),  # in part asked of all workers: see info.SHARED
    "tls": ("TLS", processes.certificate),
    "cluster": ("Cluster", lambda server, now: (("cluster_enabled", 0),)),
    "keyspace": ("Keyspace", activity.keyspace),
}
"""A section's title and its fields, by the name that INFO is asked for. INFO shows them in this order."""
