"""Bodies of responses while they come in: lines, JSON documents, and server-sent events."""
