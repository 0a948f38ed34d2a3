"""Tests of redistill.engine, and of the core through it."""
