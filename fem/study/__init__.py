"""Choice of the physics of a case, and their assembly to one system."""
