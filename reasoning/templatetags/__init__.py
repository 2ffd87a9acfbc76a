"""Template tags of the loop's admin pages."""
