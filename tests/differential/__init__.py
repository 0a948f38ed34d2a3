"""The same commands to Redistill and to redis-server or valkey-server; the replies must be the same."""
