"""The calls, as a tree: ``honcho.apps.users.sessions.messages.create(...)``."""
