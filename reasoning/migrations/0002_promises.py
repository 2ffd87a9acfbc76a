"""What models cannot say: a prompt version never changes, but for being live and for an author who is gone."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reasoning", "0001_initial"), ("memory", "0002_promises")]

    operations = [
        migrations.RunSQL(
            """
CREATE FUNCTION reasoning_refuse_prompt_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - '{is_live,author_id}'::text[] <> to_jsonb(NEW) - '{is_live,author_id}'::text[]
       OR (NEW.author_id IS NOT NULL AND NEW.author_id IS DISTINCT FROM OLD.author_id) THEN
        RAISE EXCEPTION 'a prompt version is refused to change: make the next one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_change BEFORE UPDATE ON reasoning_promptversion
    FOR EACH ROW EXECUTE FUNCTION reasoning_refuse_prompt_change()
""",
            "DROP TRIGGER refuse_change ON reasoning_promptversion; DROP FUNCTION reasoning_refuse_prompt_change()",
        ),
        migrations.RunSQL(
            "ALTER TABLE reasoning_work SET (fillfactor = 70)", "ALTER TABLE reasoning_work RESET (fillfactor)"
        ),
    ]
