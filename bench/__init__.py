"""Measurements of the core and of servers; `bench/run` makes them and writes docs/performance.md."""
