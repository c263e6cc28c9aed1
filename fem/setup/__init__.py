"""A case on its mesh: what holds at the edges, which wall reacts how fast, what is connected."""
