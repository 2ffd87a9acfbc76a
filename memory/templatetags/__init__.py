"""Template tags of the store's admin pages."""
