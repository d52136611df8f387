"""Values to text: one module for each output format; nothing here decides anything."""
