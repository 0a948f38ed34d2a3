"""Real processes and real clients against a real server."""
