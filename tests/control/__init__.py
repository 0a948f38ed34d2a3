"""Tests of redistill.control."""
