"""Tests of redistill.net."""
