"""One run: start, steps, events, what is recorded and said."""
