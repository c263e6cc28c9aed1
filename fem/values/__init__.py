"""Values a user may write: quantities, expressions, curves, properties."""
