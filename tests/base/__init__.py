"""Tests of redistill.base."""
