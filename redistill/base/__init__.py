"""Text, files, logs and RESP: what every package may use."""
