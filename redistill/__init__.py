"""Redistill: a Redis-compatible cache, served by Twisted and stored by a C core."""

__version__ = "0.1.0"
