"""Where the objects of each process are joined."""
