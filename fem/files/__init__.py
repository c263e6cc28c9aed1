"""What is written while a run goes on: fields, series, checkpoints."""
