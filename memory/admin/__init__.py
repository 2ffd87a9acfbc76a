"""The store in the Django admin: every model shown, what is immutable read-only, one family a module.

Stock ``django.contrib.admin`` underneath. Other apps add sections to these pages through ``memory.admin.sections``.
"""

from memory.admin import (
    archives,
    audit,
    erasure,
    keys,
    log,
    menu,
    proposals,
    representations,
    subjects,
    tenants,
    webhooks,
)

menu.add("memory.subject", "Subjects", 10)
menu.add("memory.event", "Events", 20)
menu.add("memory.audit", "Audit", 95)
menu.add("memory.proposal", "Proposals", 96)
menu.add("memory.app", "Apps", 100)
menu.add("memory.user", "Users", 110)
menu.add("memory.session", "Sessions", 120)
menu.add("memory.project", "Projects", 130)
menu.add("memory.apikey", "API keys", 140)
menu.add("memory.webhookendpoint", "Webhooks", 150)
menu.add("memory.erasure", "Erasures", 160)
menu.add("memory.archive", "Archives", 170)

__all__ = [
    "archives",
    "audit",
    "erasure",
    "keys",
    "log",
    "menu",
    "proposals",
    "representations",
    "subjects",
    "tenants",
    "webhooks",
]
