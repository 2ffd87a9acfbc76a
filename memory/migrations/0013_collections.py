import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


def public() -> list[tuple[str, models.Field]]:
    """Return the columns that every public row has."""
    return [
        ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
    ]


def metadata() -> models.JSONField:
    """Return the column of what a client keeps with a row."""
    return models.JSONField(blank=True, db_default={}, default=dict)


def belongs(to: str, related: str = "+", **more: object) -> models.ForeignKey:
    """Return the column of what a row belongs to."""
    more = {"on_delete": django.db.models.deletion.PROTECT, "db_index": False} | more
    return models.ForeignKey(related_name=related, to=f"memory.{to}", **more)


class Migration(migrations.Migration):
    """What the clients of the apps era keep beside the log: collections of documents, and metamessages."""

    dependencies = [("memory", "0012_whole_versions")]

    operations = [
        migrations.CreateModel(
            name="Collection",
            fields=[
                *public(),
                ("app", belongs("app", db_index=True)),
                ("user", belongs("user", "collections")),
                ("name", models.CharField(max_length=512)),
                ("metadata", metadata()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["user", "name"], name="collection_name_unique_for_user"),
                    models.UniqueConstraint(fields=["app", "id"], name="collection_id_unique_in_app"),
                    models.CheckConstraint(condition=~models.Q(name=""), name="collection_has_a_name"),
                    models.CheckConstraint(condition=~models.Q(name="honcho"), name="collection_name_not_reserved"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                *public(),
                ("app", belongs("app")),
                ("collection", belongs("collection", "documents", on_delete=django.db.models.deletion.CASCADE)),
                ("content", models.TextField()),
                ("metadata", metadata()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["collection", "id"], name="document_order"),
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.search.SearchVector("content", config="simple"), name="document_words"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(content__length__range=(1, 100_000)), name="document_content_length"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Metamessage",
            fields=[
                *public(),
                ("app", belongs("app")),
                ("user", belongs("user", "metamessages")),
                ("session", belongs("session", "metamessages", null=True, blank=True)),
                ("message", belongs("event", "metamessages", null=True, blank=True, db_index=True)),
                ("label", models.CharField(max_length=50)),
                ("content", models.TextField(blank=True)),
                ("metadata", metadata()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["user", "id"], name="metamessage_user_order"),
                    models.Index(
                        condition=models.Q(session__isnull=False),
                        fields=["session", "id"],
                        name="metamessage_session_order",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=~models.Q(label=""), name="metamessage_has_a_label"),
                    models.CheckConstraint(
                        condition=models.Q(content__length__lte=50_000), name="metamessage_content_length"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(message=None) | models.Q(session__isnull=False),
                        name="metamessage_of_a_message_in_a_session",
                    ),
                ],
            },
        ),
        migrations.AddField("keptanswer", "tries", models.PositiveSmallIntegerField(null=True)),
    ]
