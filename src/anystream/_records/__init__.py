"""Bytes from wherever they come, and the lines and JSON documents in them, for `net` and `http`."""
