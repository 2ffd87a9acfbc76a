"""What ``benchmarks.growth`` fills a database with is what the product would have written."""

import pytest
from django.db import connection

from benchmarks.growth import paths, running, world
from memory import history, reading, search, tenants
from memory.models import Event, Passage, Representation, Span, Subject, User, WordIndex
from reasoning import reconcile

pytestmark = [pytest.mark.usefixtures("copies"), pytest.mark.django_db]

# The columns of each foreign key, and what it refers to.
_REFERENCES = """
SELECT conrelid::regclass::text, confrelid::regclass::text,
       ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY key(number, place)
               JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
       ARRAY(SELECT attname FROM unnest(confkey) WITH ORDINALITY key(number, place)
               JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place)
  FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
"""


def test_every_event_is_covered_once():
    found = reconcile.account()

    assert found.faults == 0
    assert found.covered == 2 * Event.objects.count()


def test_all_that_is_referred_to_is_there():
    with connection.cursor() as cursor:
        cursor.execute(_REFERENCES)
        for table, other, columns, keys in cursor.fetchall():
            same = " AND ".join(f"a.{own} = b.{key}" for own, key in zip(columns, keys, strict=True))
            given = " AND ".join(f"a.{own} IS NOT NULL" for own in columns)
            cursor.execute(
                f"SELECT count(*) FROM {table} a WHERE {given} AND NOT EXISTS (SELECT FROM {other} b WHERE {same})"
            )
            assert cursor.fetchone()[0] == 0, (table, columns)


def test_a_copy_of_somebody_reads_like_the_original_under_another_name():
    original = reading.context(world.PEOPLE_APP, world.person(0), world.session(0))
    name, talk = (text.replace(world.DIGITS, "00000007") for text in (world.person(0), world.session(0)))

    copy = reading.context(world.GROWN, name, talk)

    assert copy.text == original.text.replace(world.DIGITS, "00000007")
    assert (copy.version, copy.behind_events) == (original.version, 0)


def test_the_huge_user_has_one_history_in_which_as_much_stands_as_in_one_copy():
    subject, original = (
        Subject.objects.get(app__name=app, user__name=world.HUGE) for app in (world.GROWN, world.HUGE_APP)
    )
    copies = subject.head // original.head

    assert copies > 1
    assert subject.versions == copies * original.versions
    chain = Representation.objects.filter(subject=subject).order_by("number")
    assert [row.parent_id for row in chain] == [None, *(row.pk for row in list(chain)[:-1])]
    standing = Span.objects.filter(line=subject.line_id, until=None).count()
    assert standing == Span.objects.filter(line=original.line_id, until=None).count()
    middle = chain.get(number=original.versions)
    assert len(history.statements(middle)) == standing


@pytest.mark.parametrize("name", [world.person(0).replace(world.DIGITS, "00000005"), world.HUGE])
def test_what_somebody_said_is_found_by_its_words(name):
    app = tenants.find_app(world.GROWN)
    user = User.objects.get(app=app, name=name)
    said = Event.objects.filter(session__owner=user, origin="user").order_by("-id")[3]

    found = search.find(search.scope(world.GROWN, name), said.content, mode=search.Mode.LEXICAL, limit=20)
    recalled = search.recall(search.scope(world.GROWN, name), said.content, tokens=2_000)

    assert said.content in [item.row.content for item in found.items]
    assert said.content in [item.text for item in recalled.items]


def test_an_index_of_words_knows_as_many_passages_as_there_are():
    for index in WordIndex.objects.filter(subject__app__name=world.GROWN).select_related("subject")[:5]:
        thing = index.subject.session_id or index.subject.user_id
        assert index.documents == Passage.objects.extra(where=["text @@ %s::tsquery"], params=[f"'in:{thing}'"]).count()


def test_whoever_has_news_is_reasoned_over_as_ever():
    agent, passes = paths.Agent(), paths.Passes()
    who = paths.Someone.of(running.people(1)[0])
    before = reading.context(world.GROWN, who.user).version

    for _, call in passes.steps(agent, who):
        call()

    assert reading.context(world.GROWN, who.user).version == before + 1
    assert reconcile.account().faults == 0
