"""Published models, to compare with."""
