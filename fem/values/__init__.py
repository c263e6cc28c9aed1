"""What a user may write as a value: quantities, expressions, curves, properties."""
