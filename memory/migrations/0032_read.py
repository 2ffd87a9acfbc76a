from django.db import migrations

# What a reader gets of a user (as an observer sees them, if one is named), a project or a session: one row, and in a
# context a second one for the session. A reference is tried as an id first. PL/pgSQL keeps the plans of these
# statements: to plan the one statement that they were took ten times as long as to run it.
#
# Behind is what is not in the version: entries above what it covers, and entries that have no position yet. How long
# the oldest of those has waited is in its id, which begins with the milliseconds at which it was made (RFC 9562, 5.7).
READ = """
CREATE FUNCTION memory_read(
    app text, app_id uuid, person text, person_id uuid, observer text, observer_id uuid, session text, session_id uuid,
    project text, project_id uuid, with_session boolean, moment timestamptz, age interval, version int,
    most_counted int)
RETURNS TABLE (
    of_app uuid, of_person uuid, of_session uuid, subject_id uuid, version_id uuid, number int, made_by jsonb, status text, thinned boolean, text text,
    line_tokens int[], as_of timestamptz, created_at timestamptz, card text[], now text, short_summary text,
    long_summary text, at timestamptz, covers_to bigint, behind bigint, behind_seconds float8, kind text, about uuid, name text,
    seen_by uuid, seen_by_name text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    a uuid;
    u uuid;
    o uuid;
    s uuid;
    p uuid;
    main uuid;
    beside uuid;
    served timestamptz := coalesce(moment, statement_timestamp() - age);
BEGIN
    a := coalesce((SELECT id FROM memory_app WHERE id = memory_read.app_id),
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
            (SELECT x.id FROM memory_session x WHERE x.id = memory_read.session_id AND x.app_id = a
                AND (owner_id = u OR EXISTS (
                     SELECT FROM memory_participant part WHERE part.session_id = x.id AND part.user_id = u))),
            (SELECT id FROM memory_session WHERE owner_id = u AND name = session));
        beside := (SELECT id FROM memory_subject x WHERE kind = 'session' AND x.session_id = s);
    END IF;
    IF project IS NOT NULL THEN
        p := coalesce((SELECT id FROM memory_project x WHERE x.id = memory_read.project_id AND x.app_id = a),
                      (SELECT id FROM memory_project x WHERE x.app_id = a AND name = project));
        main := (SELECT id FROM memory_subject x WHERE kind = 'project' AND x.project_id = p);
    ELSIF session IS NOT NULL AND NOT with_session THEN
        main := beside;
    ELSIF observer IS NOT NULL THEN
        o := coalesce((SELECT id FROM memory_user x WHERE x.id = memory_read.observer_id AND x.app_id = a),
                      (SELECT id FROM memory_user x WHERE x.app_id = a AND name = observer));
        main := (SELECT id FROM memory_subject x WHERE kind = 'observed' AND x.observer_id = o AND x.user_id = u);
    ELSE
        main := (SELECT id FROM memory_subject x WHERE kind = 'user' AND x.user_id = u);
    END IF;
    RETURN QUERY
    SELECT a, u, s, subject.id, known.id, known.number, known.made_by, known.status::text, known.thinned, known.text, known.line_tokens,
           known.as_of, known.created_at, known.card, known.now, known.short_summary, known.long_summary, served,
           coalesce(known.covers_to, 0),
           subject.head - coalesce(known.covers_to, 0) + (
               SELECT count(*) FROM (SELECT FROM memory_feedentry entry
                                      WHERE entry.subject_id = subject.id AND position IS NULL
                                      LIMIT most_counted) not_numbered),
           extract(epoch FROM statement_timestamp())::float8
               - ('x' || left(replace(oldest.event_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0::float8,
           subject.kind::text, coalesce(subject.user_id, subject.session_id, subject.project_id),
           coalesce(
                (SELECT x.name::text FROM memory_user x WHERE x.id = subject.user_id),
                (SELECT x.name::text FROM memory_session x WHERE x.id = subject.session_id),
                (SELECT x.name::text FROM memory_project x WHERE x.id = subject.project_id)),
           subject.observer_id, (SELECT x.name::text FROM memory_user x WHERE x.id = subject.observer_id)
      FROM (VALUES (main, 1), (beside, 2)) AS wanted(id, place)
      LEFT JOIN memory_subject subject ON subject.id = wanted.id
      LEFT JOIN memory_representation known ON known.id = CASE
           WHEN version IS NOT NULL AND place = 1 THEN (
                SELECT x.id FROM memory_representation x
                 WHERE x.subject_id = subject.id AND x.number = version AND x.status <> 'quarantined')
           WHEN served IS NOT NULL THEN (
                SELECT representation_id FROM memory_serving
                 WHERE memory_serving.subject_id = subject.id AND since <= served ORDER BY since DESC LIMIT 1)
           ELSE subject.current_id END
      LEFT JOIN LATERAL (
           SELECT coalesce(
                  (SELECT event_id FROM memory_feedentry entry
                    WHERE entry.subject_id = subject.id AND position = coalesce(known.covers_to, 0) + 1),
                  (SELECT event_id FROM memory_feedentry entry
                    WHERE entry.subject_id = subject.id AND position IS NULL ORDER BY event_id LIMIT 1)) AS event_id
           ) oldest ON true
     WHERE place = 1 OR (with_session AND session IS NOT NULL)
     ORDER BY place;
END
$$;
"""

# What stands in a version, with the events that each statement rested on by then.
STATEMENTS = """
CREATE FUNCTION memory_statements(version uuid)
RETURNS TABLE (id uuid, content text, level text, about text, held_from date, held_until date, importance int,
               pinned boolean, since int, sources uuid[])
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
SELECT told.id, told.content, told.level::text, person.name::text, told.held_from, told.held_until, told.importance::int,
       told.pinned, span.since, ARRAY(
            SELECT evidence.event_id
              FROM memory_evidence evidence JOIN memory_representation finder ON finder.id = evidence.representation_id
             WHERE evidence.conclusion_id = told.id AND finder.number <= known.number ORDER BY evidence.event_id)
  FROM memory_representation known
 CROSS JOIN LATERAL (
       SELECT conclusion_id, since, latest FROM memory_span
        WHERE line_id = known.line_id AND until IS NULL AND since <= known.number
        UNION ALL
       SELECT conclusion_id, since, latest FROM memory_span
        WHERE line_id = known.line_id AND until > known.number AND since <= known.number) span
  JOIN memory_conclusion told ON told.id = span.conclusion_id
  LEFT JOIN memory_user person ON person.id = told.about_id
 WHERE known.id = version
 ORDER BY told.pinned DESC, told.importance DESC, span.latest DESC, told.content;
END
$$;
"""


class Migration(migrations.Migration):
    """Read what is known by plans that are kept."""

    dependencies = [("memory", "0031_recall_in_less")]

    operations = [
        migrations.RunSQL(READ, "DROP FUNCTION memory_read"),
        migrations.RunSQL(STATEMENTS, "DROP FUNCTION memory_statements"),
    ]
