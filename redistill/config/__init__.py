"""The configuration: settings, their values, users, and how it is read and written."""
