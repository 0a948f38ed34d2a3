"""The daemon's life: services, signals, systemd, the arena's file, reload."""
