"""What a mesh is: its numbers and its pictures."""
