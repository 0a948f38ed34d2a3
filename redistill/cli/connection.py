"""The server that a subcommand speaks to, as a client of its own port.

The client is redis-py, which is kept up with what a connection may need: TLS, UNIX sockets, users, timeouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from redistill.config import Config, ConfigError, load

PASSWORD = ("REDISTILL_PASSWORD", "REDISCLI_AUTH")
"""Where a password is looked for, before the server's own configuration."""
TIMEOUT = 5.0
"""Seconds for a connection, and for an answer."""


class NotAuthenticated(click.ClickException):
    """The server is there, and wants a password that we do not have."""


@dataclass(frozen=True)
class Target:
    """Where a server listens, and who we are to it."""

    config: Config
    host: str
    port: int
    socket: str
    user: str
    password: str
    tls: bool
    cacert: str
    insecure: bool

    @classmethod
    def of(
        cls,
        config: str | None,
        host: str | None,
        port: int | None,
        socket: str | None,
        user: str | None,
        tls: bool | None,
        cacert: str | None,
        insecure: bool,
        environ: Mapping[str, str],
    ) -> Target:
        """What the options say, and for the rest the server's configuration. click.ClickException when that cannot be
        read."""
        try:
            read = load(config, environ)
        except ConfigError as problem:
            raise click.ClickException(str(problem)) from None
        server, security = read.server, read.security
        use_tls = security.tls_enabled or not server.port if tls is None else tls
        own_port = server.port if security.tls_enabled or not use_tls else security.tls_port
        password = next((environ[name] for name in PASSWORD if environ.get(name)), "")
        return cls(
            config=read,
            host=host or local(next(iter(server.bind), "")),
            port=port or own_port or security.tls_port,
            socket=socket or ("" if host or port or server.port or security.tls_port else server.unix_socket),
            user=user or "default",
            password=password or ("" if user else next(iter(read.passwords), "")),
            tls=use_tls,
            cacert=cacert or (security.tls_cert_path if use_tls and host is None else ""),
            insecure=insecure,
        )

    @property
    def address(self) -> str:
        """For people."""
        return self.socket or f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether the server's processes are processes of this machine."""
        return bool(self.socket) or self.host in ("127.0.0.1", "::1", "localhost")

    @contextmanager
    def connect(self, timeout: float = TIMEOUT) -> Iterator[Connection]:
        """A connection, closed at the end. What goes wrong with it ends the command with a line."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        options["retry"] = Retry(NoBackoff(), 0)  # whoever asks will ask again
        if self.password:
            options |= {"username": self.user, "password": self.password}
        if self.socket:
            options["unix_socket_path"] = self.socket
        else:
            options |= {"host": self.host, "port": self.port}
            if self.tls:
                options |= {"ssl": True, "ssl_cert_reqs": "none" if self.insecure else "required"}
                options["ssl_check_hostname"] = not self.insecure and not self.is_local
                if self.cacert:
                    options["ssl_ca_certs"] = self.cacert
        client = redis.Redis(**options, single_connection_client=False)
        try:
            yield Connection(client)
        except redis.AuthenticationError as problem:
            remedy = f"set {PASSWORD[0]}, and --user where it is not the default user"
            raise NotAuthenticated(f"{self.address}: {problem} ({remedy})") from None
        except redis.RedisError as problem:
            raise click.ClickException(f"{self.address}: {problem}") from None
        finally:
            client.close()


class Connection:
    """What the subcommands ask for."""

    def __init__(self, client: Any) -> None:
        self._client = client
        client.set_response_callback("INFO", lambda reply, **options: reply)

    def info_text(self, *sections: str) -> str:
        """INFO as it came."""
        reply = self._client.execute_command("INFO", *sections)
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
        return text.replace("\r\n", "\n")

    def info(self, *sections: str) -> dict[str, str]:
        """Its fields."""
        lines = (line.partition(":") for line in self.info_text(*sections).splitlines() if not line.startswith("#"))
        return {name: value for name, colon, value in lines if colon}

    def ping(self) -> None:
        """An answer, or an error."""
        self._client.ping()

    def shutdown(self) -> None:
        """SHUTDOWN: the server hangs up. redis.RedisError when it does not want to."""
        self._client.shutdown(nosave=True)


def fields(value: str) -> dict[str, str]:
    """``a=1,b=2`` of a line of INFO."""
    return dict(part.split("=", 1) for part in value.split(",") if "=" in part)


def local(bind: str) -> str:
    """The address to reach a server of this machine that listens on `bind`."""
    bind = bind.removeprefix("-")
    return {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)  # noqa: S104


def exists(pid: int) -> bool:
    """Whether a process of this number runs; one that has ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
