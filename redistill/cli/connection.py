"""The connection of a subcommand to the server.

It uses redis-py, which supports what a connection may need: TLS, UNIX sockets, users, timeouts.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from redistill.base import words
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.load import load

PASSWORD = ("REDISTILL_PASSWORD", "REDISCLI_AUTH")
"""Environment variables for the password; they override the server's configuration."""
TIMEOUT = 5.0
"""Seconds to connect, and to wait for an answer."""


class NotAuthenticated(click.ClickException):
    """The server answers, and asks for a password that we do not have."""


@dataclass(frozen=True)
class Target:
    """A server's address, and the credentials to use there."""

    config: Config
    host: str
    port: int
    socket: str
    user: str
    password: str
    tls: bool
    cacert: str
    cert: str
    key: str
    insecure: bool
    named: bool
    """Whether an option names the server, so that it may be another than the configuration's."""
    is_local: bool
    """Whether the server runs on this machine, as far as its address shows."""

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        config: str | None = None,
        host: str | None = None,
        port: int | None = None,
        socket: str | None = None,
        user: str | None = None,
        tls: bool | None = None,
        cacert: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        insecure: bool = False,
    ) -> Target:
        """The target that the options name, and for the rest the server's configuration. click.ClickException if the
        configuration cannot be read, or names no address to connect to."""
        try:
            read = load(config, environ)
        except ConfigError as problem:
            raise click.ClickException(str(problem)) from None
        server, security = read.server, read.security
        if tls is None:
            wanted = port or server.port or security.tls_port
            tls = security.tls_enabled or 0 < wanted == security.tls_port
        ports = (server.port if security.tls_enabled == tls else 0, security.tls_port if tls else 0)
        port = port or next(filter(None, ports), 0)
        socket = socket or ("" if host or port else server.unix_socket)
        if not socket and not port:
            kind = "TLS" if tls else "connections without TLS"
            raise click.ClickException(
                f"{read.path or 'the configuration'} has no port for {kind}; name it with --port"
            )
        here = host is None or is_loopback_name(host)
        # The configuration's password is for its own server; another gets it if the file was named with that server.
        own = () if user or not (here or config) else read.passwords
        password = next((environ[name] for name in PASSWORD if environ.get(name)), "")
        return cls(
            config=read,
            host=host or local(next(iter(server.bind), "")),
            port=port,
            socket=socket,
            user=user or "default",
            password=password or next(iter(own), ""),
            tls=tls,
            cacert=cacert or (security.tls_cert_path if tls and here else ""),
            cert=cert or "",
            key=key or "",
            insecure=insecure,
            named=bool(host or (socket and socket != server.unix_socket)) or port not in ports,
            is_local=bool(socket) or here,
        )

    @property
    def address(self) -> str:
        """The address as messages show it."""
        return self.socket or address(self.host, self.port)

    @contextmanager
    def connect(self, timeout: float = TIMEOUT) -> Iterator[Connection]:
        """A connection, closed at the end. An error of it ends the command with one line."""
        with self.client(timeout) as client:
            yield Connection(client)

    @contextmanager
    def client(self, timeout: float, **more: Any) -> Iterator[Any]:
        """A redis-py client, closed at the end; `more` are further options of it. An error of it ends the command with
        one line."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout, **more}
        options["retry"] = Retry(NoBackoff(), 0)  # the caller repeats the command if need be
        if self.password:
            options |= {"username": self.user, "password": self.password, "encoding_errors": "surrogateescape"}
        if self.socket:
            options["unix_socket_path"] = self.socket
        else:
            options |= {"host": self.host, "port": self.port}
            if self.tls:
                options |= self._tls()
        client = None
        try:
            client = redis.Redis(**options)
            yield client
        except redis.RedisError as problem:
            raise refusal(self.address, problem) from None
        finally:
            if client is not None:
                client.close()

    def _tls(self) -> dict[str, Any]:
        import inspect
        from ssl import VerifyFlags

        from redis import SSLConnection

        options: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "none" if self.insecure else "required"}
        options["ssl_check_hostname"] = not self.insecure and not self.is_local
        files = {"ssl_ca_certs": self.cacert, "ssl_certfile": self.cert, "ssl_keyfile": self.key}
        for name, path in files.items():
            if path and not (self.insecure and name == "ssl_ca_certs"):
                readable(path)
                options[name] = path
        if "ssl_include_verify_flags" in inspect.signature(SSLConnection.__init__).parameters:
            # The server's own certificate is trusted, whoever signed it. An older redis-py needs its authority's.
            options["ssl_include_verify_flags"] = [VerifyFlags.VERIFY_X509_PARTIAL_CHAIN]
        return options


class Connection:
    """The questions of the subcommands to a server."""

    def __init__(self, client: Any) -> None:
        self._client = client
        client.set_response_callback("INFO", lambda reply, **options: reply)

    def info_text(self, *sections: str) -> str:
        """The text of INFO."""
        reply = self._client.execute_command("INFO", *sections)
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
        return text.replace("\r\n", "\n")

    def info(self, *sections: str) -> dict[str, str]:
        """The fields of INFO."""
        lines = (line.partition(":") for line in words.lines(self.info_text(*sections)) if not line.startswith("#"))
        return {name: value for name, colon, value in lines if colon}

    def section(self, name: str) -> str:
        """The text of a section of INFO. click.ClickException if the server has no section of that name."""
        if text := self.info_text(name):
            return text
        titles = [line[2:].lower() for line in words.lines(self.info_text("everything")) if line.startswith("# ")]
        raise click.ClickException(f"the server has no section {name!r} of INFO; it has {', '.join(titles)}")

    def histograms(self) -> dict[str, dict[int, int]]:
        """For each command: microseconds, and the number of calls that took at most so many. Empty if the server does
        not support LATENCY HISTOGRAM."""
        from redis import ResponseError

        try:
            reply = self._client.execute_command("LATENCY", "HISTOGRAM")
        except ResponseError:
            return {}
        return {
            name.decode(): {int(limit): int(calls) for limit, calls in pairs(dict(pairs(one))[b"histogram_usec"])}
            for name, one in pairs(reply)
        }

    def ping(self) -> None:
        """Send PING. redis.RedisError if the server does not answer it."""
        self._client.ping()

    def shutdown(self) -> None:
        """Send SHUTDOWN, for which the server closes the connection. redis.RedisError if it refuses."""
        self._client.shutdown(nosave=True)


def refusal(address: str, problem: Exception, remedy: str = "") -> click.ClickException:
    """The error for the user that an error of redis-py becomes, with its remedy; `remedy` if a password is missing."""
    import redis

    # redis-py 4 has no class for some errors; their text tells them apart.
    if isinstance(problem, redis.AuthenticationError) or str(problem).startswith(("WRONGPASS", "NOAUTH")):
        remedy = remedy or f"set {PASSWORD[0]}, and --user unless it is the default user"
        return NotAuthenticated(f"{address}: {problem} ({remedy})")
    remedy = (
        "; name the certificate of its authority with --cacert" if "CERTIFICATE_VERIFY_FAILED" in str(problem) else ""
    )
    return click.ClickException(f"{address}: {problem}{remedy}")


def pairs(reply: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a map, which RESP2 sends as a list."""
    return iter(reply.items()) if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)


def fields(value: str) -> dict[str, str]:
    """The fields of a line of INFO, ``a=1,b=2``."""
    return dict(part.split("=", 1) for part in value.split(",") if "=" in part)


def local(bind: str) -> str:
    """The address to reach a server of this machine that listens on `bind`."""
    bind = bind.removeprefix("-")
    return {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)  # noqa: S104


def address(host: str, port: int) -> str:
    """The notation of an address and its port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback_name(host: str) -> bool:
    """Whether `host`, an address or a name, is a loopback address of this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def readable(path: str) -> None:
    """click.ClickException if the file at `path` cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as problem:
        raise click.ClickException(f"cannot read {path}: {os.strerror(problem.errno or 0)}") from None
