"""The loop that reasons over the store in the background."""

__version__ = "0.1.0"
