"""Room of the contract: what a physics declares of itself, and which physics there are."""
