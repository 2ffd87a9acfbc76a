from django.db import migrations

# As functions, for their plans: a session of the database makes them once, where a statement is planned each time.

STANDS = """
CREATE FUNCTION memory_stands(statement uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
SELECT EXISTS (
    SELECT FROM memory_conclusion conclusion
      JOIN memory_subject subject ON subject.id = conclusion.subject_id
      JOIN memory_representation version ON version.id = subject.current_id
      JOIN memory_span span ON span.conclusion_id = conclusion.id AND span.line_id = version.line_id
       AND span.since <= version.number AND (span.until IS NULL OR span.until > version.number)
     WHERE conclusion.id = statement)
$$;
"""
NO_STANDS = "DROP FUNCTION memory_stands(uuid)"

# Of each index the records of what is not merged yet, and of the blocks of each lexeme: the rarest lexemes first, and
# of what no longer fits the newest. All that is packed comes in one piece, with the size of each part.
LOOK_UP = """
CREATE FUNCTION memory_look_up(of_app uuid, own_thing uuid, known_thing uuid, lexemes int[], of_statements boolean[],
                               most int, block_records int)
RETURNS TABLE (own boolean, id bigint, complete boolean, documents int, authors uuid[], names text[], fresh bigint[],
               records bytea, unmerged bytea, unmerged_sizes int[],
               merged int[], totals int[], merged_sizes int[], data bytea)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
SELECT thing.own, index.id, index.scanned IS NULL, index.documents, index.authors,
       ARRAY(SELECT coalesce(named.name::text, '') FROM unnest(index.authors) WITH ORDINALITY AS author(id, place)
               LEFT JOIN memory_user named ON named.id = author.id ORDER BY place),
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
       SELECT string_agg(passage.record, '' ORDER BY passage.passage_id),
              string_agg(passage.lexemes, '' ORDER BY passage.passage_id),
              array_agg(length(passage.lexemes) ORDER BY passage.passage_id)
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
NO_LOOK_UP = "DROP FUNCTION memory_look_up(uuid, uuid, uuid, int[], boolean[], int, int)"

# Only what belongs to the scope (has the marks, or is known to), and stands. What a statement rests on is what had been
# found by the version that readers get.
TELL = """
CREATE FUNCTION memory_tell(passages bigint[], marks tsquery, known bigint[], most_sources int)
RETURNS TABLE (passage bigint, statement boolean, id uuid, at timestamptz, content text, data jsonb, who text,
               held_from date, held_until date, sources uuid[])
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
SELECT passage.id, false, event.id, passage.at, event.content, event.data, coalesce(author.name::text, event.origin),
       NULL::date, NULL::date, ARRAY[event.id]
  FROM memory_passage passage
  JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_user author ON author.id = event.author_id
 WHERE passage.id = ANY(passages) AND (passage.text @@ marks OR passage.id = ANY(known))
 UNION ALL
SELECT passage.id, true, conclusion.id, passage.at, conclusion.content, NULL, NULL,
       conclusion.held_from, conclusion.held_until,
       ARRAY(SELECT evidence.event_id
               FROM memory_evidence evidence JOIN memory_representation finder ON finder.id = evidence.representation_id
              WHERE evidence.conclusion_id = conclusion.id AND finder.number <= version.number
              ORDER BY evidence.event_id DESC LIMIT most_sources)
  FROM memory_passage passage
  JOIN memory_conclusion conclusion ON conclusion.id = passage.conclusion_id
  JOIN memory_subject subject ON subject.id = conclusion.subject_id
  JOIN memory_representation version ON version.id = subject.current_id
 WHERE passage.id = ANY(passages) AND (passage.text @@ marks OR passage.id = ANY(known))
   AND memory_stands(conclusion.id);
END
$$;
"""
NO_TELL = "DROP FUNCTION memory_tell(bigint[], tsquery, bigint[], int)"


class Migration(migrations.Migration):
    """What a recall asks of the database: three functions."""

    dependencies = [("memory", "0026_word_indexes")]

    operations = [
        migrations.RunSQL(STANDS, NO_STANDS),
        migrations.RunSQL(LOOK_UP, NO_LOOK_UP),
        migrations.RunSQL(TELL, NO_TELL),
    ]
