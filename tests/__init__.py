"""The tests."""

from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("redistill", deadline=None)
settings.load_profile("redistill")
