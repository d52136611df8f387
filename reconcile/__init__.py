"""Declare Nexudus payment-token records in YAML, review them, and create each exactly once."""

__version__ = "0.1.0"
