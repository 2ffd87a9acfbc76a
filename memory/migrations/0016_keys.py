import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


def names(*parts: str) -> Q:
    """Return the condition that a key names exactly these things."""
    every = ("app", "user", "session", "project", "collection")
    return Q(**{f"{part}__isnull": part not in parts for part in every})


def same_app(column: str, parent: str) -> migrations.RunSQL:
    """Let a key name rows of the same app only."""
    name = f"memory_apikey_{column}_same_app"
    return migrations.RunSQL(
        f"ALTER TABLE memory_apikey ADD CONSTRAINT {name}"
        f" FOREIGN KEY (app_id, {column}) REFERENCES {parent} (app_id, id) NOT VALID",
        f"ALTER TABLE memory_apikey DROP CONSTRAINT {name}",
    )


def part(to: str) -> migrations.AddField:
    """Let a key name another thing."""
    return migrations.AddField(
        model_name="apikey",
        name=to,
        field=models.ForeignKey(
            blank=True,
            db_index=False,
            null=True,
            on_delete=django.db.models.deletion.CASCADE,
            related_name="api_keys",
            to=f"memory.{to}",
        ),
    )


class Migration(migrations.Migration):
    """Keys of projects and collections, limits of how many requests a key may make, and who made a key. No table is rewritten.

    What is promised anew holds for new rows from here on; the next migration looks at the old ones.
    """

    dependencies = [("memory", "0015_kept_answer_tries")]

    operations = [
        migrations.CreateModel(
            name="RateWindow",
            fields=[
                ("key_id", models.UUIDField(primary_key=True, serialize=False)),
                ("began", models.DateTimeField()),
                ("used", models.IntegerField()),
            ],
        ),
        # Each row is written again and again, in a page of its own if need be; nothing of it is worth a log.
        migrations.RunSQL("ALTER TABLE memory_ratewindow SET UNLOGGED", "ALTER TABLE memory_ratewindow SET LOGGED"),
        migrations.RunSQL(
            "ALTER TABLE memory_ratewindow SET (fillfactor = 50)", "ALTER TABLE memory_ratewindow RESET (fillfactor)"
        ),
        migrations.AddField(
            model_name="apikey",
            name="created_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="apikey",
            name="last_used_at",
            field=models.DateTimeField(blank=True, help_text="When it was last used, to the minute.", null=True),
        ),
        part("project"),
        part("collection"),
        migrations.AddField(
            model_name="apikey",
            name="rate_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text=("How many requests it may make a minute. Empty: what HONCHO['RATE_PER_MINUTE'] says."),
                null=True,
                verbose_name="requests a minute",
            ),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="scope",
            field=models.CharField(
                choices=[
                    ("operator", "Operator"),
                    ("app", "App"),
                    ("user", "User"),
                    ("session", "Session"),
                    ("project", "Project"),
                    ("collection", "Collection"),
                ],
                max_length=16,
            ),
        ),
        migrations.RemoveConstraint(model_name="apikey", name="api_key_fits_its_scope"),
        AddConstraintNotValid(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=Q(scope="operator") & names()
                | Q(scope="app") & names("app")
                | Q(scope="user") & names("app", "user")
                | Q(scope="session") & names("app", "session")
                | Q(scope="project") & names("app", "project")
                | Q(scope="collection") & names("app", "collection"),
                name="api_key_fits_its_scope",
            ),
        ),
        same_app("project_id", "memory_project"),
        same_app("collection_id", "memory_collection"),
        # Backwards these open nothing any more: there is no such scope.
        migrations.RunSQL(migrations.RunSQL.noop, "DELETE FROM memory_apikey WHERE scope IN ('project', 'collection')"),
    ]
