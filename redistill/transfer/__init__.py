"""Keys on their way between servers and files, for ``redistill load``, ``dump`` and ``compare``.

A source (RDB file, commands, JSON lines, a server) yields records; `load` sends them to a server, `dump` writes them.
"""
