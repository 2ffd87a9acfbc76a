"""A database engine: Django's for PostgreSQL, with a health check that asks the server nothing."""
