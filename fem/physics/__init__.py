"""One file a physics. Each is a frozen dataclass with data in, rows out
(`fem.system.system.Physics`)."""
