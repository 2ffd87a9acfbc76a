from django.db import migrations

GUARD = """
CREATE OR REPLACE FUNCTION reasoning_refuse_prompt_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - {but} <> to_jsonb(NEW) - {but}
       OR (NEW.author_id IS NOT NULL AND NEW.author_id IS DISTINCT FROM OLD.author_id) THEN
        RAISE EXCEPTION 'a prompt version is refused to change: make the next one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""


class Migration(migrations.Migration):
    """A prompt version is live by its label alone; of the row itself nothing changes any more.

    What runs the release before this one cannot choose prompts after it: stop its workers first.
    """

    dependencies = [("reasoning", "0011_work_indexes")]

    operations = [
        migrations.RunSQL(GUARD.format(but="'{author_id}'::text[]"), GUARD.format(but="'{is_live,author_id}'::text[]")),
        migrations.RemoveConstraint(model_name="promptversion", name="prompt_one_live_in_app"),
        migrations.RemoveConstraint(model_name="promptversion", name="prompt_one_live_for_site"),
        migrations.RemoveField(model_name="promptversion", name="is_live"),
    ]
