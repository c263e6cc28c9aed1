"""Metal that grows and dissolves: its front, its pieces, what it covers and leaves behind."""
