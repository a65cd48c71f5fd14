"""Bridges between streams and what is not async: threads, blocking iterables, callbacks."""
