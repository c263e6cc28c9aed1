"""Files that are written during a run: fields, series, checkpoints."""
