"""Errors of a configuration that concern this machine: certificates, memory, directories.

`redistill check-config` lists them, and a start is refused with all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from redistill.config import endpoints, sizing
from redistill.config.config import PEM_PATHS, Config
from redistill.config.errors import ConfigError
from redistill.config.files import read_pem
from redistill.config.problems import located
from redistill.lifetime.arena import fitting_shards, joining
from redistill.net.sockets import StartError
from redistill.net.tls.context import make_context, uses_tls

MAX_UNIX_PATH = 107
"""Bytes of the path of a UNIX socket (unix(7))."""
TRANSIENT = ("/run/", "/var/run/")
"""Directories whose contents a machine makes anew at each start, those of a service when it starts."""


def machine_problems(config: Config, found: Sequence[ConfigError]) -> list[ConfigError]:
    """Further errors, beside those `found` before; none about the settings that these concern."""
    wrong = {problem.setting for problem in found}
    return [located(one) for one in _all(config, bool(found)) if one.setting not in wrong and not _follows(one, wrong)]


def _all(config: Config, incomplete: bool) -> Iterator[ConfigError]:
    yield from _tls(config)
    yield from directory_problems(config)
    if not incomplete:
        yield from _arena(config)


def _follows(problem: ConfigError, wrong: set[str]) -> bool:
    """Whether an error of TLS may come from another setting of TLS that is wrong."""
    tls = "security.tls_"
    return problem.setting.startswith(tls) and any(setting.startswith(tls) for setting in wrong)


def _error(config: Config, setting: str, text: str) -> ConfigError:
    place = config.given.get(setting) or config.path or "default"
    return ConfigError(f"{place}: {text}", setting)


def _tls(config: Config) -> Iterator[ConfigError]:
    """Errors of the certificate, its key, or the authority."""
    if not uses_tls(config.security):
        return
    unread = False
    for name in PEM_PATHS:
        try:
            if name != "security.tls_ca_path" or config.security.tls_client_auth != "no":
                read_pem(name, str(config.get(name)))
        except ConfigError as problem:
            unread = True
            yield _error(config, name, str(problem))
    try:
        if not unread:
            make_context(config.security, config.with_pem().pem)
    except ConfigError as problem:
        yield _error(config, str(problem).partition(":")[0], str(problem))


def _arena(config: Config) -> Iterator[ConfigError]:
    """Errors because of which no arena can be made."""
    here = sizing.machine()
    workers = sizing.workers(config, here)
    try:
        if config.memory.max_memory:
            size = sizing.sizes(config, here, workers).max_memory
            fewer = "server.num_shards" not in config.given
            fitting_shards(size, config.server.num_shards, joining(workers), fewer=fewer)
    except StartError as problem:
        yield _error(config, "memory.max_memory", str(problem))


def directory_problems(config: Config) -> Iterator[ConfigError]:
    """Files that cannot be made, because their directory is missing or there is a directory in their place."""
    sockets = [("server.unix_socket", config.server.unix_socket)]
    for description in config.server.endpoints:
        if endpoints.kind(description) == "unix" and (address := endpoints.address_of(description)) is not None:
            sockets.append(("server.endpoints", address[0]))
    files = [("memory.arena_path", config.memory.arena_path), ("logging.file", config.logging.file)]
    for setting, path in [*files, *sockets]:
        problem = missing(path) if path else ""
        if not problem and (setting, path) in sockets and len(os.fsencode(os.path.abspath(path))) > MAX_UNIX_PATH:
            problem = f"is longer than {MAX_UNIX_PATH} bytes, the most for a UNIX socket; set a shorter one"
        if problem:
            yield _error(config, setting, f"{setting} = {path!r} {problem}")


def missing(path: str) -> str:
    """Why no file can be made at `path`; empty: there may be one. What this user may not look at is not judged."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        if os.path.isdir(path):
            return "is a directory; set the path of a file"
        os.stat(directory)
        if not os.path.isdir(directory):
            return f"cannot be: {directory!r} is no directory; set another path"
    except FileNotFoundError:
        return f"cannot be: there is no directory {directory!r}; make it, or set another path"
    except NotADirectoryError:
        return f"cannot be: a part of {directory!r} is no directory; set another path"
    except OSError:
        return ""
    return ""


def is_transient(problem: ConfigError, config: Config) -> bool:
    """Whether the error is that a directory is missing that the start of a service makes (RuntimeDirectory=)."""
    path = config.get(problem.setting) if problem.setting in ("memory.arena_path", "server.unix_socket") else ""
    return "there is no directory" in str(problem) and os.path.abspath(str(path)).startswith(TRANSIENT)
