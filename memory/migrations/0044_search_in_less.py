from django.db import migrations

# What a search by words counts before it ranks: how many passages have each word, each up to a thousand; about how many
# there are, by the feeds of a place or of an app's users; and whether any passage of the app is not indexed yet.
COUNTED = """
CREATE FUNCTION memory_counted(of_app uuid, of_thing uuid, queries text[])
RETURNS TABLE (counts int[], size bigint, behind boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
RETURN QUERY
SELECT ARRAY(
       SELECT (SELECT count(*) FROM (
                      SELECT FROM memory_passage passage WHERE passage.text @@ asked.query::tsquery LIMIT 1000) found)
         FROM unnest(queries) WITH ORDINALITY AS asked(query, place) ORDER BY asked.place)::int[],
       CASE WHEN of_thing IS NULL THEN (
            SELECT sum(head) FROM (SELECT head FROM memory_subject WHERE app_id = of_app AND kind = 'user' LIMIT 1000) fed)
       ELSE (
            SELECT sum(head) FROM (
                   SELECT head FROM memory_subject WHERE kind = 'user' AND user_id = of_thing
                    UNION ALL
                   SELECT head FROM memory_subject WHERE kind = 'session' AND session_id = of_thing
                    UNION ALL
                   SELECT head FROM memory_subject WHERE kind = 'project' AND project_id = of_thing) fed)
       END::bigint,
       EXISTS (SELECT FROM memory_passage passage WHERE passage.app_id = of_app AND passage.text IS NULL);
END
$$;
"""

# What was found, with all that is told of it. An event has no level, a statement no kind.
FOUND = """
CREATE FUNCTION memory_found(passages bigint[])
RETURNS TABLE (passage bigint, at timestamptz, id uuid, content text,
               kind text, origin text, author text, client_id text, data jsonb, metadata jsonb, app_id uuid,
               session_id uuid, user_id uuid, project_id uuid, occurred_at timestamptz, recorded_at timestamptz,
               tokens int,
               level text, about text, held_from date, held_until date, importance int, pinned boolean,
               created_at timestamptz, subject_kind text, subject_id uuid, subject_name text, observer_id uuid,
               observer_name text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
SELECT passage.id, passage.at, coalesce(event.id, told.id), coalesce(event.content, told.content),
       event.kind::text, event.origin::text,
       (SELECT author.name::text FROM memory_user author WHERE author.id = event.author_id),
       event.client_id::text, event.data, event.metadata, event.app_id, event.session_id, event.user_id,
       event.project_id, event.occurred_at, event.recorded_at, event.tokens::int,
       told.level::text, (SELECT about.name::text FROM memory_user about WHERE about.id = told.about_id),
       told.held_from, told.held_until, told.importance::int, told.pinned, told.created_at,
       subject.kind::text, coalesce(subject.user_id, subject.session_id, subject.project_id),
       coalesce((SELECT x.name::text FROM memory_user x WHERE x.id = subject.user_id),
                (SELECT x.name::text FROM memory_session x WHERE x.id = subject.session_id),
                (SELECT x.name::text FROM memory_project x WHERE x.id = subject.project_id)),
       subject.observer_id, (SELECT x.name::text FROM memory_user x WHERE x.id = subject.observer_id)
  FROM memory_passage passage
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_conclusion told ON told.id = passage.conclusion_id
  LEFT JOIN memory_subject subject ON subject.id = told.subject_id
 WHERE passage.id = ANY(passages) AND (event.id IS NOT NULL OR told.id IS NOT NULL);
END
$$;
"""


class Migration(migrations.Migration):
    """Search in fewer statements, by plans that are kept."""

    dependencies = [("memory", "0043_words_that_are_there")]

    operations = [
        migrations.RunSQL(COUNTED, "DROP FUNCTION memory_counted"),
        migrations.RunSQL(FOUND, "DROP FUNCTION memory_found"),
    ]
