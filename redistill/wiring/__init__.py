"""The wiring of each process: only these modules construct its objects."""
