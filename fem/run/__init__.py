"""One run: start, steps, events, records and messages."""
