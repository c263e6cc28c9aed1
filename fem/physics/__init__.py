"""A folder for each physics: frozen dataclasses, data in, rows out
(`fem.system.part.Part`)."""
