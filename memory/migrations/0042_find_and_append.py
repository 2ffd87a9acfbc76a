from django.db import migrations

# Where events go: what a path of names and ids means, and the feeds that events there join. No row where the app is not
# there; NULL for what else is not. A reference is tried as an id first. A session's name means one that the user owns
# (or nobody, at app level); an id, one that the user owns or takes part in (or any of the app's, at app level). What is
# said in a session whose metadata say "deriver_disabled" joins no feed: the clients of the apps era ask so that nothing
# be concluded from it. PL/pgSQL keeps the plans: to plan it as one statement took three times as long as to run it.
PLACE = """
CREATE FUNCTION memory_place(
    app text, app_id uuid, person text, person_id uuid, session text, session_id uuid, project text, project_id uuid)
RETURNS TABLE (
    of_app uuid, of_person uuid, person_name text, of_session uuid, of_project uuid, subject_ids uuid[])
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    a uuid;
    u uuid;
    s uuid;
    p uuid;
    unread boolean := false;
BEGIN
    a := coalesce((SELECT id FROM memory_app WHERE id = memory_place.app_id),
                  (SELECT id FROM memory_app WHERE name = app));
    IF a IS NULL THEN
        RETURN;
    END IF;
    IF person IS NOT NULL THEN
        u := coalesce((SELECT id FROM memory_user x WHERE x.id = person_id AND x.app_id = a),
                      (SELECT id FROM memory_user x WHERE x.app_id = a AND name = person));
    END IF;
    IF session IS NOT NULL THEN
        s := coalesce(
            (SELECT id FROM memory_session x WHERE x.id = memory_place.session_id AND x.app_id = a
                AND (person IS NULL OR owner_id = u OR EXISTS (
                     SELECT FROM memory_participant part WHERE part.session_id = x.id AND part.user_id = u))),
            CASE WHEN person IS NULL
                THEN (SELECT id FROM memory_session x WHERE x.app_id = a AND owner_id IS NULL AND name = session)
                ELSE (SELECT id FROM memory_session WHERE owner_id = u AND name = session) END);
        SELECT x.project_id,
               coalesce(metadata -> 'deriver_disabled', 'null') NOT IN ('null', 'false', '0', '""', '[]', '{}')
          INTO p, unread FROM memory_session x WHERE id = s;
    END IF;
    IF project IS NOT NULL THEN
        p := coalesce((SELECT id FROM memory_project x WHERE x.id = memory_place.project_id AND x.app_id = a),
                      (SELECT id FROM memory_project x WHERE x.app_id = a AND name = project), p);
    END IF;
    RETURN QUERY
    SELECT a, u, (SELECT name::text FROM memory_user WHERE id = u), s, p, CASE WHEN unread THEN '{}' ELSE ARRAY(
        SELECT id FROM memory_subject WHERE kind = 'session' AND memory_subject.session_id = s
        UNION ALL
        SELECT seen.id FROM memory_participant part
          JOIN memory_subject seen ON seen.kind = 'user' AND seen.user_id = part.user_id
         WHERE part.session_id = s AND part.observed
        UNION ALL
        SELECT seen.id FROM memory_participant o
          JOIN memory_participant t ON t.session_id = o.session_id AND t.user_id <> o.user_id AND t.observed
          JOIN memory_subject seen
            ON seen.kind = 'observed' AND seen.observer_id = o.user_id AND seen.user_id = t.user_id
         WHERE o.session_id = s AND o.observes_others
        UNION ALL
        SELECT id FROM memory_subject WHERE kind = 'user' AND user_id = u AND s IS NULL
        UNION ALL
        SELECT id FROM memory_subject WHERE kind = 'project' AND memory_subject.project_id = p
    ) END;
END
$$;
"""

# Writes events and their entries in feeds, and returns the ids of those whose client ids were used before: these are not
# written. The clients' ids come first, in one order, so that two writes of the same ids cannot wait for each other.
APPEND = """
CREATE FUNCTION memory_append(
    events json, app uuid, session uuid, person uuid, subjects uuid[], recorded timestamptz)
RETURNS SETOF uuid
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH input AS (
    SELECT * FROM json_to_recordset(events) AS x(
        id uuid, kind text, content text, data text, metadata text, author_id uuid, origin text,
        occurred_at timestamptz, client_id text, project_id uuid, project_subject_id uuid, tokens int,
        copied_from_id uuid)
), won AS (
    INSERT INTO memory_clientid (app_id, scope, client_id, event_id)
    SELECT app, coalesce(session, person, project_id), client_id, id
      FROM input WHERE client_id IS NOT NULL ORDER BY 2, 3, 4
    ON CONFLICT DO NOTHING
    RETURNING event_id
), logged AS (
    INSERT INTO memory_event (id, app_id, session_id, user_id, project_id, author_id, origin, kind, content, data,
                              metadata, client_id, occurred_at, recorded_at, tokens, copied_from_id)
    SELECT id, app, session, person, project_id, author_id, origin, kind, content, data::jsonb, metadata::jsonb,
           client_id, occurred_at, recorded, tokens, copied_from_id
      FROM input WHERE client_id IS NULL OR id IN (SELECT event_id FROM won)
    RETURNING id
), fed AS (
    INSERT INTO memory_feedentry (event_id, subject_id)
    SELECT logged.id, subject FROM logged CROSS JOIN unnest(subjects) AS subject
    UNION
    SELECT logged.id, input.project_subject_id FROM logged JOIN input USING (id)
     WHERE input.project_subject_id IS NOT NULL
)
SELECT id FROM input WHERE id NOT IN (SELECT id FROM logged);
END
$$;
"""


class Migration(migrations.Migration):
    """Find where events go, and append them, by plans that are kept."""

    dependencies = [("memory", "0041_held_places")]

    operations = [
        migrations.RunSQL(PLACE, "DROP FUNCTION memory_place"),
        migrations.RunSQL(APPEND, "DROP FUNCTION memory_append"),
    ]
