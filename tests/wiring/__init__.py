"""Tests of redistill.tap and redistill.wiring."""
