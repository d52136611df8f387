"""A local Nexudus for trials and tests, behind the `sandbox` extra."""
