from django.db import migrations

TABLE = "memory_event"
REST = "memory_event_rest"

# In the order in which writers come to the tables: one who waits for the log holds nothing that is waited for. What
# the log refers to loses the triggers of the table that it was.
TABLES = ("app", "user", "session", "project", "event")
PATIENCE = "SET LOCAL lock_timeout = '10s';" + "".join(
    f"LOCK TABLE memory_{table} IN ACCESS EXCLUSIVE MODE;" for table in TABLES
)

# Indexes, those of the primary key and of constraints last, foreign keys and triggers, as statements that make them.
INDEXES = """
SELECT index.relname, pg_get_indexdef(index.oid), held.conname, pg_get_constraintdef(held.oid)
  FROM pg_index JOIN pg_class index ON index.oid = indexrelid
  LEFT JOIN pg_constraint held ON held.conindid = index.oid AND held.conrelid = indrelid
 WHERE indrelid = %s::regclass ORDER BY held.conname IS NOT NULL, index.relname
"""
INDEXES_OF_REST = """
SELECT own.relname, index.relname
  FROM pg_index JOIN pg_class own ON own.oid = indexrelid JOIN pg_inherits ON inhparent = own.oid
  JOIN pg_class index ON index.oid = inhrelid
 WHERE indrelid = %s::regclass
"""
FOREIGN_KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid = %s::regclass AND contype = 'f' AND conparentid = 0 ORDER BY conname
"""
TRIGGERS = """
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger
 WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY tgname
"""
GRANTS = """
SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, is_grantable
  FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner
"""
PARTITIONS = """
SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass
"""

BACK = """
The log has partitions, or parts of it were archived: it cannot be made one table again without copying it. To go back,
restore a backup.
"""


def asked(cursor, statement, table):
    """Return the rows of a statement about a table."""
    cursor.execute(statement, [table])
    return cursor.fetchall()


def partition(apps, schema_editor):
    """Let the log be a partitioned table whose one partition is the table that it was: nothing is read or written anew.

    All is copied off the catalogue, so that it is as it was, whatever a site has added: an index, a grant.
    """
    with schema_editor.connection.cursor() as cursor:
        indexes = asked(cursor, INDEXES, TABLE)
        keys = asked(cursor, FOREIGN_KEYS, TABLE)
        triggers = asked(cursor, TRIGGERS, TABLE)
        for name, _ in triggers:  # those of the parent work on its partitions
            cursor.execute(f'DROP TRIGGER "{name}" ON {TABLE}')
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO {REST}")
        for name, *_ in indexes:
            cursor.execute(f'ALTER INDEX "{name}" RENAME TO "{named_of_rest(name)}"')
        cursor.execute(
            f"CREATE TABLE {TABLE} (LIKE {REST} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
            " PARTITION BY RANGE (id)"
        )
        for name, made, constraint, held in indexes:
            if constraint:
                cursor.execute(f'ALTER TABLE {TABLE} ADD CONSTRAINT "{name}" {held}')
            else:
                cursor.execute(made)
        for name, made in keys:
            cursor.execute(f'ALTER TABLE {TABLE} ADD CONSTRAINT "{name}" {made}')
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {REST} DEFAULT")
        for _, made in triggers:
            cursor.execute(made)
        for privilege, role, grantable in asked(cursor, GRANTS, REST):
            cursor.execute(f"GRANT {privilege} ON {TABLE} TO {role}{' WITH GRANT OPTION' if grantable else ''}")


def one_table(apps, schema_editor):
    """Let the log be one table again, where its rows are in one."""
    with schema_editor.connection.cursor() as cursor:
        [[partitions]] = asked(cursor, PARTITIONS, TABLE)
        cursor.execute("SELECT EXISTS (SELECT FROM memory_archive)")
        if partitions > 1 or cursor.fetchone()[0]:
            raise RuntimeError(" ".join(BACK.split()))
        indexes = asked(cursor, INDEXES_OF_REST, TABLE)
        triggers = asked(cursor, TRIGGERS, TABLE)
        cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {REST}")
        cursor.execute(f"DROP TABLE {TABLE}")
        cursor.execute(f"ALTER TABLE {REST} RENAME TO {TABLE}")
        for name, of_rest in indexes:
            cursor.execute(f'ALTER INDEX "{of_rest}" RENAME TO "{name}"')
        for _, made in triggers:
            cursor.execute(made)


def named_of_rest(index):
    """Return the name that the partition's own index gets."""
    return f"{index[:58]}_rest"


class Migration(migrations.Migration):
    """The log is partitioned by id. It has one partition, the table that it was, until somebody asks for more.

    Statements on the catalogue alone: no row is read or written anew, however many there are, and the lock is short.
    Where somebody holds a table for ten seconds it changes nothing, and can be tried again.
    """

    dependencies = [("memory", "0038_archives")]

    operations = [
        migrations.RunSQL(PATIENCE, migrations.RunSQL.noop),
        # The table of clients' ids holds them unique: over several tables no index can.
        migrations.RemoveConstraint(model_name="event", name="event_client_id_unique_in_session"),
        migrations.RemoveConstraint(model_name="event", name="event_client_id_unique_for_user"),
        migrations.RemoveConstraint(model_name="event", name="event_client_id_unique_in_project"),
        migrations.RunPython(partition, one_table),
        migrations.RunSQL(migrations.RunSQL.noop, PATIENCE),
    ]
