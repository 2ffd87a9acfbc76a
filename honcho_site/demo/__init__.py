"""A conversation that ships with the project, for ``make demo``: a freelancer and her assistant."""
