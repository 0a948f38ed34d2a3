"""Tests of redistill.cli."""
