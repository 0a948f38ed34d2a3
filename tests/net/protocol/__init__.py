"""Clients and their factory, with a session that only plays the core's part."""
