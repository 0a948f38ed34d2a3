"""Tests of redistill.lifetime."""
