"""The pages on which an operator decides about what a gate stopped."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from memory import ids, publishing, quarantine, reading
from memory.models import Audit, Conclusion, Event, Line, Representation, Ruling, Subject
from memory.publishing import NewConclusion, Retired
from reasoning import following
from reasoning.models import Pass, PromptVersion, Quarantined, Work
from tests.admin import acting, data
from tests.store.helpers import draft_on

pytestmark = pytest.mark.django_db

REFUSED, FOUND, MOVED, MISSING = 403, 200, 302, 404
LIST = "/admin/reasoning/quarantined/"


def page_of(row: Any, act: str = "change") -> str:
    """The address of a stopped version's page, or of the page that asks before it is published or discarded."""
    return reverse(f"admin:reasoning_quarantined_{act}", args=[row.pk])


def text_of(response: Any) -> str:
    return response.content.decode()


def shown(response: Any) -> str:
    """What the page says, with white space folded."""
    return " ".join(text_of(response).split())


def stop(line: Line, *contents: str, evidence: Any, **parts: Any) -> Representation:
    """A version that a gate stopped, with the pass whose answer it is."""
    added = [
        NewConclusion(content=content, evidence=list(evidence), held_from=date(2026, 5, 2), importance=4)
        for content in contents
    ]
    token, prompt = uuid4(), PromptVersion.objects.get(kind="user", labels__name="live")
    made_by = parts.pop("made_by", {}) | {
        "pass": ids.encode(token),
        "prompt_version": prompt.public_id,
        "prompt_number": prompt.number,
    }
    draft = draft_on(line, added=added, made_by=made_by, **parts)
    kept = publishing.quarantine(line.pk, draft, "It would retire half of what is known.", "shrunk")
    Pass.objects.create(
        id=token, line=line, representation=kept, outcome=Pass.Outcome.QUARANTINED, failure="gated",
        prompt_version=prompt, raw=f'{{"add": "{data.HOSTILE}"}}',
        ended_at=timezone.now(),
    )  # fmt: skip
    return kept


def make_stopped() -> SimpleNamespace:
    """Ana, of whom one version stands; a second was stopped, and her line is parked."""
    data.say("trip-planner", "ana", "lisbon", ("ana", "We stay with my brother in Alfama."))
    following.take_in()
    subject = Subject.objects.get(user__name="ana", kind="user")
    line = subject.line
    first = list(Event.objects.values_list("pk", flat=True))
    added = [
        NewConclusion(content="Ana stays in Alfama.", evidence=first),
        NewConclusion(content="Ana has a brother.", evidence=first),
    ]
    standing = publishing.publish(line.pk, draft_on(line, added=added, now="Ana plans a journey."))
    data.say("trip-planner", "ana", "lisbon", ("ana", "My brother moves house. We took a flat in Graça."))
    following.take_in()
    alfama = Conclusion.objects.get(content="Ana stays in Alfama.")
    kept = stop(
        line,
        "Ana stays in a flat in Graça.",
        f"Ana says {data.HOSTILE}.",
        evidence=[Event.objects.latest("pk").pk],
        retired=[Retired(conclusion_id=alfama.pk, reason="He moves house.", replaced_by=0)],
        now="Ana plans a journey to Graça.",
        made_by={"prompt_number": 1, "model": "gpt-4o-mini"},
    )
    Work.objects.filter(line=line).update(state=Work.State.PARKED, due_at=None, attempts=3, last_failure="gated")
    return SimpleNamespace(subject=subject, line=line, standing=standing, kept=kept, alfama=alfama)


@pytest.fixture
def ana() -> SimpleNamespace:
    return make_stopped()


@pytest.fixture
def operator(client):
    client.force_login(data.superuser())
    return client


def decided(client: Any, row: Any, act: str, reason: str = "It is true.") -> str:
    """Decide about one version; what the next page says."""
    return shown(acting.act(client, page_of(row, act), reason))


def test_the_list_shows_what_is_undecided(operator, ana):
    other = stop(ana.line, "Ana is bored.", evidence=[])
    quarantine.discard(other, reason="It made that up.", by="olga")
    said = shown(operator.get(LIST))
    assert page_of(ana.kept) in said
    assert page_of(other) not in said
    for words in ("trip-planner", "shrunk", "It would retire half of what is known.", "prompt 1", "undecided"):
        assert words in said, words
    assert "version 1" not in shown(operator.get(LIST)).lower().split("result_list")[1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"undecided"}),
        ({"ruling": "any"}, {"undecided", "published", "discarded"}),
        ({"ruling": "published"}, {"published"}),
        ({"ruling": "discarded"}, {"discarded"}),
        ({"gate": "shrunk"}, {"undecided"}),
        ({"gate": "secrets"}, set()),
    ],
)
def test_the_list_is_filtered_by_decision_and_gate(operator, ana, query, found):
    discarded = stop(ana.line, "Ana is bored.", evidence=[])
    quarantine.discard(discarded, reason="It made that up.", by="olga")
    published = stop(ana.line, "Ana is keen.", evidence=[Event.objects.earliest("pk").pk])
    quarantine.publish(published, reason="She is.", by="olga")
    named = {"undecided": ana.kept, "discarded": discarded, "published": published}
    rows = operator.get(LIST, query).context["cl"].queryset
    assert set(rows.values_list("pk", flat=True)) == {named[name].pk for name in found}


def test_the_page_shows_all_that_a_decision_needs(operator, ana):
    said = shown(operator.get(page_of(ana.kept)))
    adds = said[said.index("What it would add") : said.index("What it would retire")]
    event = Event.objects.latest("pk")
    assert "Ana stays in a flat in Graça." in adds
    assert "<q>My brother moves house." in adds
    assert reverse("admin:memory_event_change", args=[event.pk]) in adds
    assert "from 2026-05-02" in adds
    retires = said[said.index("What it would retire") : said.index("What it would say beside")]
    assert "Ana stays in Alfama." in retires
    assert "He moves house. Replaced by: Ana stays in a flat in Graça." in retires
    assert "Stopped by the gate “shrunk”." in said
    assert "It would retire half of what is known." in said
    assert "Ana plans a journey to Graça." in said
    now = said[said.index("What stands now") :]
    assert "Ana has a brother." in now
    assert data.HOSTILE not in said
    assert "&lt;script&gt;" in said[said.index("What the model said") :]
    assert page_of(ana.kept, "publish") in said
    assert page_of(ana.kept, "discard") in said
    assert reverse("admin:memory_representation_change", args=[ana.kept.pk]) in said


def test_it_says_what_will_not_be_retired(operator, ana):
    Conclusion.objects.filter(pk=ana.alfama.pk).update(pinned=True)
    assert "pinned since: it stays" in shown(operator.get(page_of(ana.kept)))
    Conclusion.objects.filter(pk=ana.alfama.pk).update(pinned=False)
    head = Line.objects.get(pk=ana.line.pk)
    publishing.publish(head.pk, draft_on(head, retired=[Retired(conclusion_id=ana.alfama.pk, reason="over")]))
    assert "does not stand any more" in shown(operator.get(page_of(ana.kept)))


def foretold(client: Any, row: Any, act: str) -> str:
    """What the page says would come of an act."""
    return shown(acting.preview(client, page_of(row, act)))


def test_the_preview_says_what_will_happen_and_does_nothing(operator, ana):
    said = foretold(operator, ana.kept, "publish")
    for fact in ("version 3", "2 more, 1 retired", "after the 1 event that it read"):
        assert f"<td>{fact}</td>" in said, fact
    assert "What an agent reads" in said
    assert '<span class="honcho-hidden">added: </span>' in said
    assert data.HOSTILE not in said
    said = foretold(operator, ana.kept, "discard")
    assert "Nobody will ever read it. What readers get stays as it is" in said
    assert "<td>2 new statements</td>" in said
    assert not Ruling.objects.exists()
    ana.subject.refresh_from_db()
    assert (ana.subject.current, ana.subject.versions) == (ana.standing, 2)
    head = Line.objects.get(pk=ana.line.pk)
    again = NewConclusion(content="Ana stays in a flat in Graça.", evidence=[Event.objects.latest("pk").pk])
    publishing.publish(head.pk, draft_on(head, added=[again]))
    said = foretold(operator, ana.kept, "publish")
    assert "version 4" in said
    assert "1 more, 1 retired" in said
    assert "it has moved on since, so card and summaries stay and no events are covered" in said


@pytest.mark.parametrize("act", ["publish", "discard"])
def test_a_reason_is_asked_for(operator, ana, act):
    answer = acting.preview(operator, page_of(ana.kept, act), "  ")
    assert answer.status_code == FOUND
    assert "This field is required" in text_of(answer)
    assert not Ruling.objects.exists()


def test_published_readers_get_it_and_the_parked_line_goes_on(operator, ana):
    data.say("trip-planner", "ana", "lisbon", ("ana", "And we would like to see the sea."))
    following.take_in()
    assert Work.objects.get(line=ana.line).state == Work.State.PARKED
    said = decided(operator, ana.kept, "publish", "She told us herself.")
    assert "Readers get version 3 of" in said
    made = Representation.objects.get(subject=ana.subject, number=3)
    assert (made.reason, made.made_by["by"], made.made_by["published_from"]) == ("She told us herself.", "operator", 2)
    assert (made.covers_from, made.covers_to) == (1, 2)
    assert "Ana stays in a flat in Graça" in reading.context("trip-planner", "ana").text
    work = Work.objects.get(line=ana.line)
    assert (work.state, work.waiting_events, work.attempts) == (Work.State.WAITING, 1, 0)
    log = LogEntry.objects.get()
    assert (log.object_id, log.user.get_username()) == (str(ana.kept.pk), "operator")
    assert "Publish: She told us herself." in log.get_change_message()
    noted = Audit.objects.get()
    assert (noted.act, noted.by, noted.subject, noted.after) == (
        "publish quarantined", "operator", ana.subject, {"version": 3},
    )  # fmt: skip


def test_discarded_readers_keep_what_they_have_and_the_line_stays_parked(operator, ana):
    said = decided(operator, ana.kept, "discard", "It made that up.")
    assert "Discarded: " in said
    assert (Ruling.objects.get().by, Ruling.objects.get().reason) == ("operator", "It made that up.")
    ana.subject.refresh_from_db()
    assert ana.subject.current == ana.standing
    assert Work.objects.get(line=ana.line).state == Work.State.PARKED
    assert (Audit.objects.get().act, Audit.objects.get().reason) == ("discard quarantined", "It made that up.")


def test_discarded_to_ask_anew_the_parked_line_is_due(operator, ana):
    assert "<td>yes, about" in foretold(operator, ana.kept, "ask-anew")
    said = decided(operator, ana.kept, "ask-anew", "The model was out of its mind.")
    assert "It is asked again now." in said
    assert Ruling.objects.get().decision == "discarded"
    work = Work.objects.get(line=ana.line)
    assert (work.state, work.attempts) == (Work.State.WAITING, 0)
    assert list(Audit.objects.order_by("pk").values_list("act", flat=True)) == ["discard quarantined", "retry work"]


@pytest.mark.parametrize("act", ["publish", "discard"])
def test_once_decided_there_is_nothing_more_to_decide(operator, ana, act):
    decided(operator, ana.kept, act, "Because of this.")
    said = shown(operator.get(page_of(ana.kept)))
    assert page_of(ana.kept, "publish") not in said
    assert page_of(ana.kept, "discard") not in said
    assert "Because of this." in said
    assert "by operator" in said
    for again in ("publish", "discard"):
        assert "There is nothing to do here now" in shown(operator.get(page_of(ana.kept, again), follow=True))
    assert Ruling.objects.count() == 1
    assert LogEntry.objects.count() == 1


def test_what_cannot_be_published_says_so_and_can_be_discarded(operator, ana):
    kept = stop(ana.line, "Ana is bored.", evidence=[])
    said = shown(operator.get(page_of(kept)))
    assert "It cannot be published.</strong> Statement 1 rests on no event that it was shown." in said
    assert page_of(kept, "publish") not in said
    assert operator.get(page_of(kept, "publish")).status_code == MOVED
    assert not Ruling.objects.exists()
    decided(operator, kept, "discard")
    assert Ruling.objects.get().decision == "discarded"


def test_only_what_was_stopped_has_a_page(operator, ana):
    for act in ("publish", "discard"):
        assert operator.get(page_of(ana.standing, act)).status_code == MISSING
        assert operator.post(page_of(ana.standing, act), {"reason": "x"}).status_code == MISSING
    assert operator.get(page_of(ana.standing)).status_code == MOVED
    assert not Ruling.objects.exists()


def test_to_look_to_publish_and_to_discard_are_permissions_apart(client, ana):
    def acts(*permissions: str) -> dict[str, int]:
        client.force_login(data.staff(*permissions, name="-".join(permissions)))
        page = client.get(page_of(ana.kept))
        links = text_of(page)
        offered = text_of(client.get(LIST))
        found = {"page": page.status_code}
        for act in ("publish", "discard"):
            found[act] = client.get(page_of(ana.kept, act)).status_code
            assert (page_of(ana.kept, act) in links) == (found[act] == FOUND)
            assert (f'value="{act}"' in offered) == (found[act] == FOUND)
            if found[act] == REFUSED:
                assert acting.act(client, page_of(ana.kept, act)).status_code == REFUSED
                acting.act(client, LIST, **acting.choice(act, [ana.kept]))
        assert not Ruling.objects.exists()
        return found

    look = "view_quarantined"
    assert acts("view_representation") == {"page": REFUSED, "publish": REFUSED, "discard": REFUSED}
    assert acts("publish_quarantined") == {"page": REFUSED, "publish": REFUSED, "discard": REFUSED}
    assert acts("discard_quarantined") == {"page": REFUSED, "publish": REFUSED, "discard": REFUSED}
    assert acts(look) == {"page": FOUND, "publish": REFUSED, "discard": REFUSED}
    assert acts(look, "publish_quarantined") == {"page": FOUND, "publish": FOUND, "discard": REFUSED}
    assert acts(look, "discard_quarantined") == {"page": FOUND, "publish": REFUSED, "discard": FOUND}


def test_who_may_not_see_passes_events_and_statements_does_not_see_them_here(client, ana):
    client.force_login(data.staff("view_quarantined"))
    said = shown(client.get(page_of(ana.kept)))
    for hidden in ("What the model said", "<q>", "What it would retire", "What stands now", "What an agent reads now"):
        assert hidden not in said, hidden


def test_several_are_discarded_with_one_reason(operator, ana):
    rows = [ana.kept, *(stop(ana.line, f"Thing {n}.", evidence=[]) for n in range(3))]
    chosen = acting.choice("discard", rows)
    assert "Nobody will ever read it." in text_of(operator.post(LIST, chosen))
    assert "This field is required" in text_of(acting.preview(operator, LIST, "", **chosen))
    assert not Ruling.objects.exists()
    done = acting.act(operator, LIST, "All made up.", **chosen)
    assert "4 of 4 done." in text_of(done)
    assert set(Ruling.objects.values_list("decision", "reason", "by")) == {("discarded", "All made up.", "operator")}
    assert Ruling.objects.count() == LogEntry.objects.count() == Audit.objects.count() == 4


def test_several_are_published_and_what_cannot_be_is_left(operator, ana):
    event = Event.objects.latest("pk").pk
    rows = [ana.kept, stop(ana.line, "Ana is keen.", evidence=[event]), stop(ana.line, "Ana is bored.", evidence=[])]
    chosen = acting.choice("publish", rows)
    asked = text_of(acting.preview(operator, LIST, **chosen))
    assert "left as it is: Statement 1 rests on no event" in asked
    done = text_of(acting.act(operator, LIST, "She said so.", **chosen))
    assert "2 of 3 done." in done
    assert "was left as it was: Statement 1 rests on no event" in done
    assert Ruling.objects.filter(decision="published", reason="She said so.").count() == 2
    text = reading.context("trip-planner", "ana").text
    assert "Ana is keen" in text
    assert "Ana stays in a flat in Graça" in text
    assert list(quarantine.undecided()) == [rows[2]]


def test_the_versions_page_leads_to_the_decision_and_back(operator, client, ana):
    of_kept = reverse("admin:memory_representation_change", args=[ana.kept.pk])
    assert f'<a href="{page_of(ana.kept)}">Undecided: publish or discard</a>' in shown(operator.get(of_kept))
    decided(operator, ana.kept, "publish")
    made = Ruling.objects.get().made
    said = shown(operator.get(of_kept))
    assert f'<a href="{page_of(ana.kept)}">Published</a> by operator' in said
    assert reverse("admin:memory_representation_change", args=[made.pk]) in said
    said = shown(operator.get(reverse("admin:memory_representation_change", args=[made.pk])))
    assert f'<a href="{page_of(ana.kept)}">Published from version</a> 2 by operator' in said
    plain = operator.get(reverse("admin:memory_representation_change", args=[ana.standing.pk]))
    assert "<h2>Quarantine</h2>" not in text_of(plain)
    client.force_login(data.staff("view_representation"))
    assert "<h2>Quarantine</h2>" not in text_of(client.get(of_kept))


def test_nothing_is_edited_added_or_deleted_here(operator, ana):
    assert Quarantined in admin.site._registry
    assert operator.get(f"{LIST}add/").status_code == REFUSED
    assert operator.post(f"{page_of(ana.kept)}", {"reason": "forged"}).status_code == REFUSED
    assert operator.post(reverse("admin:reasoning_quarantined_delete", args=[ana.kept.pk])).status_code == REFUSED
    ana.kept.refresh_from_db()
    assert ana.kept.reason == "It would retire half of what is known."


def queries(client: Any, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == FOUND
    assert not [query["sql"] for query in captured if "SELECT DISTINCT" in query["sql"]]
    return len(captured)


def test_the_list_and_the_page_ask_as_much_for_much_as_for_little(operator, ana):
    event = Event.objects.latest("pk").pk
    few = queries(operator, f"{LIST}?ruling=any"), queries(operator, page_of(ana.kept))
    big = stop(
        ana.line, *(f"Thing {n}." for n in range(30)), evidence=[event],
        retired=[Retired(conclusion_id=pk, reason="x") for pk in Conclusion.objects.values_list("pk", flat=True)],
    )  # fmt: skip
    for n in range(20):
        quarantine.discard(stop(ana.line, f"Other {n}.", evidence=[event]), reason="no", by="olga")
    many = queries(operator, f"{LIST}?ruling=any"), queries(operator, page_of(big))
    assert many == few
    assert few[0] <= 9, few
    assert few[1] <= 30, few
