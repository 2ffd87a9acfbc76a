"""Reading again: runs from their estimate to their end, and the batches that carry them."""

from reasoning.admin.reprocessing import batches, runs

__all__ = ["batches", "runs"]
