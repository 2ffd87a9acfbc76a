from django.db import migrations


def same_app(table: str, column: str, parent: str) -> migrations.RunSQL:
    """Let ``column`` name rows of the same app only."""
    name = f"{table}_{column}_same_app"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (app_id, {column}) REFERENCES {parent} (app_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    """Collections, documents and metamessages stay inside an app."""

    dependencies = [("memory", "0013_collections")]

    operations = [
        same_app("memory_collection", "user_id", "memory_user"),
        same_app("memory_document", "collection_id", "memory_collection"),
        same_app("memory_metamessage", "user_id", "memory_user"),
        same_app("memory_metamessage", "session_id", "memory_session"),
    ]
