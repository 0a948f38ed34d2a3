"""Tests of redistill.config."""
