"""Redistill and redis-server or valkey-server get the same commands; the replies must be the same."""
