"""How much reasoning a drainer gets done beside its model, what it takes, and how soon readers see it."""
