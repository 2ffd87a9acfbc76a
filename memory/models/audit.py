"""What operators, keys and commands did: who, when, why, and what it was before and after."""

from __future__ import annotations

from django.db import models

from memory.models.base import PublicModel
from memory.models.subjects import Subject
from memory.models.tenants import App


class Audit(PublicModel):
    """One act. The database refuses to change or delete it; what names something that is erased goes along with that.

    ``kind`` and ``object_id`` name the row that it was done to (``memory.subject``), which may be gone; ``before`` and
    ``after`` hold ids, numbers and names of labels and states, never what was said.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_index=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_index=False
    )
    act = models.CharField(max_length=50)
    kind = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    by = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "audit"
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["created_at"], name="audit_time"),
            models.Index(fields=["by", "created_at"], name="audit_by"),
            models.Index(fields=["act", "created_at"], name="audit_act"),
            models.Index(fields=["kind", "object_id", "created_at"], name="audit_object"),
            models.Index(fields=["app", "created_at"], name="audit_app", condition=models.Q(app__isnull=False)),
            models.Index(
                fields=["subject", "created_at"], name="audit_subject", condition=models.Q(subject__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=~models.Q(act=""), name="audit_names_the_act"),
        ]

    def __str__(self) -> str:
        return f"{self.act} by {self.by or 'nobody known'}"
