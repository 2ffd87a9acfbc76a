"""A subject's page: the text and its sentences, the timeline, two versions compared, and what can be done there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from memory import corrections, restoring
from memory.models import Audit, Conclusion, Correction, Representation, Serving, Session, Subject
from reasoning.models import Pass, PromptVersion, Work
from tests.admin import data

pytestmark = pytest.mark.django_db

MAY = {
    "correct": "memory.correct_statements",
    "roll back": "memory.roll_back_versions",
    "reason now": "reasoning.change_work",
}


@pytest.fixture
def ana() -> Any:
    """What is known of Ana: two versions and an event that waits."""
    return Subject.objects.get(user=data.ana(), kind="user")


@pytest.fixture
def operator(client):
    """A client in which a superuser is logged in."""
    client.force_login(data.superuser())
    return client


def page(row, name="change", **query):
    """The address of a page or an act of a row."""
    opts = row._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[row.pk])
    return url + ("?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else "")


def text_of(response):
    """What the answer says."""
    assert response.status_code == 200
    return response.content.decode()


def statement(subject, content):
    """A statement of a subject by how it begins."""
    return Conclusion.objects.get(subject=subject, content__startswith=content)


def act(client, url, **fields):
    """Look at what an act would do, confirm it, and return what was shown and where one is led."""
    shown = client.post(url, {"step": "preview", **fields})
    (token,) = re.findall(r'name="token" value="(\w+)"', text_of(shown))
    done = client.post(url, {"step": "preview", "token": token, **fields})
    assert done.status_code == 302, text_of(done)
    return shown.content.decode(), text_of(client.get(done["Location"]))


def state():
    """What no preview and no refused act may change."""
    return (
        list(Subject.objects.order_by("pk").values()),
        *(model.objects.count() for model in (Representation, Conclusion, Correction, Audit, Serving)),
        list(Work.objects.order_by("pk").values()),
    )


def test_each_sentence_leads_to_its_events_prompt_and_pass(operator, ana):
    shown = text_of(operator.get(page(ana)))
    tiles = statement(ana, "Lea loves tiles")
    text = shown[shown.index("What an agent reads now") : shown.index("<h2>Statements")]
    assert f'href="{page(tiles)}">Lea loves tiles and trams</a>' in text
    why = text_of(operator.get(page(tiles)))
    made = Pass.objects.get(representation__subject=ana, representation__number=2)
    assert "Why this is said" in why
    assert "Yes please! She is mad about tiles" in why
    for row in (made, PromptVersion.objects.get(app=None, kind="user"), ana.current):
        assert page(row) in why


def test_a_line_that_no_statement_says_leads_to_the_pass_that_first_wrote_it(operator, ana):
    data.grow(ana.user, 1)
    current = Subject.objects.get(pk=ana.pk).current
    first = ana.representations.get(number=1)
    line = first.text.split("\n").index("Name: Ana")
    shown = text_of(operator.get(page(ana, "sentence", version=2, line=line)))
    assert "Name: Ana" in shown
    assert page(first) in shown
    assert page(first.passes.get()) in shown
    tiles = next(place for place, text in enumerate(current.text.split("\n")) if "tiles" in text)
    led = operator.get(page(ana, "sentence", version=current.number, line=tiles))
    assert led["Location"] == page(statement(ana, "Lea loves tiles"))
    for query in ({}, {"version": 99, "line": 0}, {"version": 1, "line": 999}, {"version": "x", "line": 1}):
        assert operator.get(page(ana, "sentence", **query)).status_code == 404


def test_the_timeline_says_of_each_version_who_and_what_made_it_and_on_which_line(operator, ana):
    corrections.retract(ana, statement(ana, "Lea loves").pk, "A slip", by="olga")
    restoring.roll_back(ana, 1, reason="Too much <b>", by="otto", then=restoring.Onward.REASON_AGAIN)
    shown = text_of(operator.get(page(ana, "timeline")))
    entries = re.findall(r'<li class="honcho-entry.*?</li>', shown, re.DOTALL)
    assert [re.search(r">version (\d+)<", entry)[1] for entry in entries] == ["4", "3", "2", "1"]
    assert "Rolled back to version 1 by <strong>otto</strong>" in entries[0]
    assert "Too much &lt;b&gt;" in entries[0]
    assert "line B" in entries[0]
    assert "A human retracted a statement by <strong>olga</strong>" in entries[1]
    assert "line A" in entries[1]
    assert "Read 3 events" in entries[2]
    assert page(Pass.objects.get(representation__subject=ana, representation__number=2)) in entries[2]
    assert page(ana.representations.get(number=1), "roll-back") in entries[3]
    assert page(ana.representations.get(number=4), "roll-back") not in shown


def test_the_timeline_is_paged_and_narrowed_to_a_line(operator, ana):
    restoring.roll_back(ana, 1, reason="No", then=restoring.Onward.REASON_AGAIN)
    old, new = ana.lines.order_by("pk")
    assert len(re.findall("honcho-entry-head", text_of(operator.get(page(ana, "timeline", line=new.pk))))) == 1
    shown = text_of(operator.get(page(ana, "timeline", before=3, line=old.pk)))
    assert "version 2<" in shown
    assert "version 3<" not in shown


def test_any_two_versions_are_compared_word_by_word(operator, ana):
    shown = text_of(operator.get(page(ana, "compare", **{"from": 2, "to": 1})))
    assert '<ins><span class="honcho-hidden">added: </span>, who loves tiles and trams</ins>' in shown
    assert "1 added, 0 retired, 1 reworded, 5 kept" in shown
    assert "Her brother moves house that week" in shown
    default = text_of(operator.get(page(ana, "compare")))
    assert "who loves tiles and trams</ins>" in default
    stopped = data.quarantined(ana.user)
    for wrong in (stopped.number, 99):
        assert 'role="alert"' in text_of(operator.get(page(ana, "compare", **{"from": 1, "to": wrong})))
    assert data.HOSTILE not in text_of(operator.get(page(ana, "timeline")))


def test_a_subject_of_which_nothing_is_known_says_what_comes_next(operator, ana):
    data.project_with_session(ana.app)
    empty = Subject.objects.get(kind="project")
    assert "Nothing has been concluded yet" in text_of(operator.get(page(empty)))
    assert "nothing to compare" in text_of(operator.get(page(empty, "compare")))
    assert "No version yet" in text_of(operator.get(page(empty, "timeline")))


def test_a_statement_is_corrected_after_a_look_and_that_can_be_undone(operator, ana):
    meat = statement(ana, "Ana does not eat meat")
    before = state()
    asked = {"content": "Ana eats fish.", "importance": "5", "reason": "She said so"}
    looked = operator.post(page(meat, "correct"), {"step": "preview", **asked})
    assert "Ana eats fish" in text_of(looked)
    assert state() == before
    shown, done = act(operator, page(meat, "correct"), **asked)
    assert "<ins>" in shown
    new = statement(ana, "Ana eats fish")
    assert (new.pinned, new.importance) == (True, 5)
    assert "Ana eats fish" in Subject.objects.get(pk=ana.pk).current.text
    assert Correction.objects.get().by == "operator"
    noted = Audit.objects.get(act="edit statement")
    assert (noted.by, noted.reason) == ("operator", "She said so")
    assert "fish" not in str(noted.after)
    assert page(new, "correct") in done
    form = text_of(operator.get(f"{page(new, 'correct')}?as={meat.pk}"))
    assert "Ana does not eat meat.</textarea>" in form


def test_a_statement_is_pinned_let_go_of_retracted_and_brought_back(operator, ana):
    lea = statement(ana, "Lea is allergic")

    def offered():
        shown = text_of(operator.get(page(lea)))
        return {name for name in ("correct", "pin", "unpin", "retract") if f'href="{page(lea, name)}"' in shown}

    assert offered() == {"correct", "pin", "retract"}
    for name, then, undo in (
        ("pin", {"correct", "unpin", "retract"}, "unpin"),
        ("unpin", {"correct", "pin", "retract"}, "pin"),
        ("retract", {"pin"}, "pin"),
        ("pin", {"correct", "unpin", "retract"}, "unpin"),
    ):
        _, done = act(operator, page(lea, name), reason="So it is")
        assert page(lea, undo) in done
        assert offered() == then, name
        lines = Subject.objects.get(pk=ana.pk).current.text.split("\n")
        assert ("Lea is allergic to peanuts" in lines) == (name != "retract")
    assert operator.get(page(lea, "pin")).status_code == 302, "it is pinned already"


def test_a_statement_is_added_and_can_be_taken_out_again(operator, ana):
    shown, done = act(operator, page(ana, "add-statement"), content="Ana speaks  Portuguese.", reason="She told me")
    assert "Statements that come" in shown
    assert page(statement(ana, "Ana speaks Portuguese."), "retract") in done


def test_readers_are_rolled_back_to_a_version_and_forward_again(operator, ana):
    first = ana.representations.get(number=1)
    before = ana.current
    shown, done = act(operator, page(first, "roll-back"), then="stay", reason="The flat fell through")
    assert "3 stay read" in shown
    assert "Alfama" in shown
    ana.refresh_from_db()
    assert ana.current.text == first.text
    assert ana.current.reason == "The flat fell through"
    assert ana.current.made_by["by"] == "operator"
    assert Audit.objects.get(act="roll back").after == {"version": 3, "repeats": 1, "then": "stay"}
    assert page(before, "roll-back") in done
    act(operator, page(before, "roll-back"), then="stay", reason="It did not")
    ana.refresh_from_db()
    assert ana.current.text == before.text


def test_what_has_changed_since_the_look_is_shown_again(operator, ana):
    first = ana.representations.get(number=1)
    asked = {"step": "preview", "then": "stay", "reason": "No"}
    looked = text_of(operator.post(page(first, "roll-back"), asked))
    (token,) = re.findall(r'name="token" value="(\w+)"', looked)
    corrections.add(ana, "Ana plays chess.", by="olga")
    before = state()
    again = operator.post(page(first, "roll-back"), {**asked, "token": token})
    assert "has changed since you looked" in text_of(again)
    assert state() == before


def test_what_waits_is_read_now_whatever_it_waited_for(operator, ana):
    work = Work.objects.get(line=ana.line)
    Work.objects.filter(pk=work.pk).update(state="held", due_at=None, attempts=2, last_failure="budget")
    shown, done = act(operator, page(ana, "reason-now"), reason="She is on the phone")
    assert "1 event" in shown
    assert page(work) in done
    work.refresh_from_db()
    assert (work.state, work.attempts) == ("waiting", 0)
    assert Audit.objects.get(act="reason now").before == {"state": "held"}
    data.reason(lambda prepared: data.one_statement(prepared, "likes the sea"))
    assert operator.get(page(ana, "reason-now")).status_code == 302, "nothing waits"
    _, done = act(operator, page(ana, "consolidate"), reason="Twice the same")
    work.refresh_from_db()
    assert (work.task, work.state) == ("consolidate", "waiting")
    assert Audit.objects.get(act="consolidate").by == "operator"


@pytest.mark.parametrize("may", [None, *MAY])
def test_one_without_a_permission_sees_neither_button_nor_address(client, ana, may):
    views = ("view_subject", "view_representation", "view_conclusion", "view_event")
    client.force_login(data.staff(*views, *([MAY[may].split(".")[1]] if may else [])))
    lea = statement(ana, "Lea is allergic")
    urls = {
        "correct": [page(ana, "add-statement"), *(page(lea, name) for name in ("correct", "pin", "retract"))],
        "roll back": [page(ana.representations.get(number=1), "roll-back")],
        "reason now": [page(ana, "reason-now")],
    }
    before = state()
    shown = text_of(client.get(page(ana))) + text_of(client.get(page(lea)))
    for what, addresses in urls.items():
        for url in addresses:
            assert (f'href="{url}"' in shown) == (what == may), url
            assert client.get(url).status_code == (200 if what == may else 403)
            if what != may:
                assert client.post(url, {"step": "preview", "reason": "Because"}).status_code == 403
    assert state() == before


@pytest.mark.parametrize("page_of_it", ["timeline", "compare", "sentence"])
def test_who_may_not_see_versions_sees_none_here(client, ana, page_of_it):
    client.force_login(data.staff("view_subject", "view_event"))
    assert client.get(page(ana, page_of_it)).status_code == 403
    shown = text_of(client.get(page(ana)))
    assert "Graça" not in shown
    assert page(ana, page_of_it) not in shown


def test_the_pages_make_as_many_queries_for_much_as_for_little(operator):
    data.crowd(1)
    subject = Subject.objects.get(kind="user")
    user = subject.user
    long = None

    def counts():
        subject.refresh_from_db()
        urls = [
            page(subject),
            page(subject, "timeline"),
            page(subject, "compare"),
            page(subject, "sentence", version=subject.current.number, line=0),
            page(subject.conclusions.latest("pk")),
            page(long, "conversation"),
            page(user, "conversation"),
        ]
        found = {}
        for url in urls:
            operator.get(url)
            with CaptureQueriesContext(connection) as captured:
                assert operator.get(url).status_code == 200
            found[re.sub(r"[0-9a-f-]{36}|version=\d+", "", url)] = len(captured)
        return found

    data.grow(user, 3, statements=2)
    long = Session.objects.get(name="long")
    little = counts()
    data.grow(user, 9, statements=4)
    assert counts() == little
    assert max(little.values()) <= 26, little
