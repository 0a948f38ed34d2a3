"""Tests of redistill.workers."""
