"""Tests of redistill.observe."""
