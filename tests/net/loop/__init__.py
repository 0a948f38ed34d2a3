"""Clients served by the loop."""
