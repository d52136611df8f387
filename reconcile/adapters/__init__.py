"""The world: one room for each thing the tool talks to."""
