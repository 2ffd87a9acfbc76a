from importlib import import_module

from django.db import migrations

before = import_module("memory.migrations.0027_look_up")

# The aggregates of what is not merged see its rows in one order, whichever that is. Names are asked for one by one:
# there are few, and to join them took as long as to find the words.
LOOK_UP = """
CREATE OR REPLACE FUNCTION memory_look_up(of_app uuid, own_thing uuid, known_thing uuid, lexemes int[],
                                          of_statements boolean[], most int, block_records int)
RETURNS TABLE (own boolean, id bigint, complete boolean, documents int, authors uuid[], names text[], fresh bigint[],
               records bytea, unmerged bytea, unmerged_sizes int[],
               merged int[], totals int[], merged_sizes int[], data bytea)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
SELECT thing.own, index.id, index.scanned IS NULL, index.documents, index.authors,
       ARRAY(SELECT coalesce((SELECT named.name::text FROM memory_user named WHERE named.id = author.id), '')
               FROM unnest(index.authors) AS author(id)),
       ARRAY(SELECT passage.id FROM memory_passage passage WHERE passage.app_id = of_app AND passage.text IS NULL
              ORDER BY passage.id DESC LIMIT 500),
       waiting.*, found.*
  FROM (VALUES (own_thing, true), (known_thing, false)) AS thing(id, own)
  LEFT JOIN LATERAL (
       SELECT subject.id FROM memory_subject subject WHERE subject.kind = 'user' AND subject.user_id = thing.id
        UNION ALL
       SELECT subject.id FROM memory_subject subject WHERE subject.kind = 'session' AND subject.session_id = thing.id
        UNION ALL
       SELECT subject.id FROM memory_subject subject WHERE subject.kind = 'project' AND subject.project_id = thing.id
       ) subject ON true
  LEFT JOIN memory_wordindex index ON index.subject_id = subject.id
 CROSS JOIN LATERAL (
       SELECT string_agg(passage.record, ''), string_agg(passage.lexemes, ''), array_agg(length(passage.lexemes))
         FROM memory_unmergedpassage passage WHERE passage.index_id = index.id) waiting
 CROSS JOIN LATERAL (
       SELECT array_agg(lexeme), array_agg(total), array_agg(coalesce(length(packed), 0)), string_agg(packed, '')
         FROM (SELECT lexeme, total, (
                      SELECT string_agg(newest.data, '') FROM (
                             SELECT posting.data FROM memory_posting posting
                              WHERE posting.index_id = index.id AND posting.lexeme = chosen.lexeme
                              ORDER BY posting.block DESC
                              LIMIT CASE WHEN before < most THEN (most - before) / block_records + 1 ELSE 0 END) newest
                      ) AS packed
                 FROM (SELECT lexeme, total,
                              sum(total) OVER (PARTITION BY of_statement ORDER BY total, lexeme) - total AS before
                         FROM (SELECT word.lexeme, word.of_statement, (
                                      SELECT posting.total FROM memory_posting posting
                                       WHERE posting.index_id = index.id AND posting.lexeme = word.lexeme
                                       ORDER BY posting.block DESC LIMIT 1) AS total
                                 FROM unnest(lexemes, of_statements) AS word(lexeme, of_statement)
                                WHERE word.of_statement OR thing.own
                               OFFSET 0) counted  -- as a fence: or each is looked up once more wherever it is named
                        WHERE total IS NOT NULL) chosen
                OFFSET 0) read) found
 WHERE thing.id IS NOT NULL;
END
$$;
"""

# Passages are read once, not for events and for statements apart. Of an event no sources are told: it is its own.
TELL = """
CREATE OR REPLACE FUNCTION memory_tell(passages bigint[], marks tsquery, known bigint[], most_sources int)
RETURNS TABLE (passage bigint, statement boolean, id uuid, at timestamptz, content text, data jsonb, who text,
               held_from date, held_until date, sources uuid[])
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
SELECT passage.id, told.id IS NOT NULL, coalesce(event.id, told.id), passage.at, coalesce(event.content, told.content),
       event.data, coalesce(author.name::text, event.origin), told.held_from, told.held_until,
       CASE WHEN told.id IS NOT NULL THEN ARRAY(
            SELECT evidence.event_id
              FROM memory_evidence evidence JOIN memory_representation finder ON finder.id = evidence.representation_id
             WHERE evidence.conclusion_id = told.id AND finder.number <= told.number
             ORDER BY evidence.event_id DESC LIMIT most_sources) END
  FROM memory_passage passage
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_user author ON author.id = event.author_id
  LEFT JOIN LATERAL (
       SELECT conclusion.id, conclusion.content, conclusion.held_from, conclusion.held_until, version.number
         FROM memory_conclusion conclusion
         JOIN memory_subject subject ON subject.id = conclusion.subject_id
         JOIN memory_representation version ON version.id = subject.current_id
        WHERE conclusion.id = passage.conclusion_id AND memory_stands(conclusion.id)) told ON true
 WHERE passage.id = ANY(passages) AND (passage.text @@ marks OR passage.id = ANY(known))
   AND (event.id IS NOT NULL OR told.id IS NOT NULL);
END
$$;
"""


def replacing(function: str) -> str:
    """Return the statement that makes a function, such that it replaces what is there."""
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    """Recall in less: the same answers of two functions, in half the time."""

    dependencies = [("memory", "0030_proposals")]

    operations = [
        migrations.RunSQL(LOOK_UP, replacing(before.LOOK_UP)),
        migrations.RunSQL(TELL, replacing(before.TELL)),
    ]
