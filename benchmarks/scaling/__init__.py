"""Beyond one machine: what would limit first, and what several servers beside each other really do."""
