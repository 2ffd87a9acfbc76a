"""The store in the Django admin: every model shown, what is immutable read-only, one family a module.

Stock ``django.contrib.admin`` underneath. Other apps add sections to these pages through ``memory.admin.sections``.
"""

from memory.admin import erasure, keys, log, representations, subjects, tenants, webhooks

__all__ = ["erasure", "keys", "log", "representations", "subjects", "tenants", "webhooks"]
