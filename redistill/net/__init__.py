"""Clients and their connections: the protocol, its transport, listening sockets, limits and TLS."""
