"""Labels: one live prompt for each app and kind, and a history of who moved them that nobody can rewrite."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from memory import tenants
from memory.errors import Invalid, NotFound
from memory.models import App, Line
from reasoning import labels, prompt_versions
from reasoning.models import Label, LabelMove, PromptVersion
from tests.loop.helpers import AT_ONCE, one_pass
from tests.store.helpers import person, refused, say, together

pytestmark = pytest.mark.django_db

in_transactions = pytest.mark.django_db(transaction=True)
"""For what claims work or needs several connections: inside one transaction, the database's now() stands still."""


def new(app: App | None = None, **more: Any) -> PromptVersion:
    return prompt_versions.create("user", "Know {subject}.", message="Other words", app=app, **more)


def harbour() -> App:
    return tenants.make_app("harbour")[0]


def told(app: App | None = None) -> list[tuple[str, int | None, int | None, str]]:
    """Name, from, to and reason of the moves of an app's own labels (or the site's), oldest first."""
    moves = LabelMove.objects.filter(app=app, kind="user").order_by("pk")
    return list(moves.values_list("name", "origin__number", "to__number", "reason"))


def test_what_was_live_is_previous_and_the_history_says_so():
    app = harbour()
    first, second = new(app), new(app)
    labels.move("candidate", second, reason="Looks good", by="ops")
    labels.move("live", first, reason="Our own", by="ops")
    move = labels.move("live", second, reason="It was good", by="key 1")
    assert (move.origin, move.to, move.by) == (first, second, "key 1")
    assert labels.live(app.pk, "user") == second
    assert labels.pointed("previous", app, "user") == first
    assert labels.pointed("candidate", app, "user") == second
    assert told(app) == [
        ("candidate", None, 2, "Looks good"),
        ("live", None, 1, "Our own"),
        ("previous", None, 1, "It was good"),
        ("live", 1, 2, "It was good"),
    ]


def test_to_move_a_label_where_it_points_is_no_move():
    app = harbour()
    first = new(app)
    labels.move("live", first, reason="Our own")
    assert labels.move("live", first, reason="Again") is None
    assert len(told(app)) == 1


def test_an_app_without_a_live_prompt_of_its_own_goes_by_the_sites():
    app = harbour()
    own, site = new(app), labels.live(app.pk, "user")
    labels.move("live", own, reason="Our own")
    assert labels.live(app.pk, "user") == own
    move = labels.take_off("live", app, "user", reason="The site's is better", by="ops")
    assert (move.origin, move.to) == (own, None)
    assert labels.live(app.pk, "user") == site
    assert labels.pointed("previous", app, "user") == own
    assert told(app)[1:] == [
        ("previous", None, 1, "The site's is better"),
        ("live", 1, None, "The site's is better"),
    ]


@in_transactions
def test_a_label_taken_off_counts_from_the_next_event_on(settings):
    settings.HONCHO = AT_ONCE
    subject = person()
    own, site = new(subject.app), labels.live(subject.app_id, "user")
    labels.move("live", own, reason="Our own")
    say("one")
    assert one_pass().line.recipe == own.recipe
    labels.take_off("live", subject.app, "user", reason="The site's is better")
    say("two")
    version = one_pass()
    assert version.line.recipe == site.recipe
    assert (version.covers_from, version.covers_to) == (1, 2)
    assert Line.objects.count() == 2


def test_one_apps_labels_are_no_others():
    app, other = harbour(), tenants.make_app("elsewhere")[0]
    own = new(app)
    labels.move("live", own, reason="Our own")
    assert labels.live(other.pk, "user") == labels.pointed("live", None, "user")
    assert labels.live_of([app.pk, other.pk], "user")[app.pk] == own
    assert own not in [label.version for label in labels.in_use(other)]
    assert not labels.moves(other).filter(app=app).exists()


@pytest.mark.parametrize(
    ("name", "reason", "why"),
    [
        ("live", " ", "Say why."),
        ("previous", "x", "previous follows live by itself"),
        ("best", "x", "Use live or candidate"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(name, reason, why):
    app = harbour()
    version = new(app)
    before = list(Label.objects.values()), told(app)
    with pytest.raises(Invalid, match=why):
        labels.move(name, version, reason=reason)
    with pytest.raises(Invalid, match=why):
        labels.take_off(name, app, "user", reason=reason)
    assert (list(Label.objects.values()), told(app)) == before


def test_the_site_keeps_a_live_prompt_and_only_what_is_in_use_is_taken_off():
    with pytest.raises(Invalid, match="The site must have a live prompt"):
        labels.take_off("live", None, "user", reason="x")
    with pytest.raises(NotFound, match="No version is labelled candidate"):
        labels.take_off("candidate", None, "user", reason="x")
    with pytest.raises(NotFound, match="No version is labelled live"):
        labels.take_off("live", harbour(), "user", reason="x")


def test_the_database_refuses_to_change_the_history():
    labels.move("live", new(harbour()), reason="Our own", by="ops")
    for change in ("reason = 'x'", "by = 'me'", "name = 'candidate'", "kind = 'session'", "to_id = NULL"):
        assert "it is kept as it was written" in refused(f"UPDATE reasoning_labelmove SET {change}")
    assert told(harbour()) == [("live", None, 1, "Our own")]


@pytest.mark.parametrize("whose", ["app", "site"])
def test_the_database_keeps_one_live_prompt_for_each_app_and_kind(whose):
    app = harbour() if whose == "app" else None
    first, second = new(app), new(app)
    labels.move("live", first, reason="x")
    with pytest.raises(IntegrityError, match=f"label_once_{'in_app' if app else 'for_site'}"), transaction.atomic():
        Label.objects.create(app=app, kind="user", name="live", version=second)


@in_transactions
@pytest.mark.parametrize("round_", range(3))
def test_two_moves_at_once_leave_a_history_that_holds_together(round_):
    app = harbour()
    versions = [new(app) for _ in range(4)]
    labels.move("live", versions[0], reason="first")
    together(*(lambda v=v: labels.move("live", v, reason=f"to {v.number}") for v in versions[1:]))
    moves = [(origin, to) for name, origin, to, _ in told(app) if name == "live"]
    assert moves[0] == (None, 1)
    assert all(moves[place][0] == moves[place - 1][1] for place in range(1, len(moves))), moves
    assert sorted(to for _, to in moves) == [1, 2, 3, 4]
    assert labels.live(app.pk, "user").number == moves[-1][1]
    assert labels.pointed("previous", app, "user").number == moves[-1][0]


def test_a_newer_shipped_prompt_becomes_a_version_once_and_is_not_in_use():
    before = labels.live(harbour().pk, "user")
    prompt_versions.ensure_defaults()
    assert PromptVersion.objects.filter(app=None).count() == 4, "nothing is new"
    for _ in range(2):
        prompt_versions.ship("user", "Know {subject} better.")
    newest = PromptVersion.objects.filter(app=None, kind="user").latest("number")
    assert (newest.number, newest.instructions) == (2, "Know {subject} better.")
    assert newest.message.startswith("The prompt that ships with Honcho 0.")
    assert labels.live(App.objects.get().pk, "user") == before


@in_transactions
def test_two_versions_made_at_once_get_two_numbers():
    app = harbour()
    made = together(*(lambda: new(app) for _ in range(4)))
    assert sorted(version.number for version in made) == [1, 2, 3, 4]


def test_a_version_is_found_by_its_id_and_by_its_name():
    app, other = harbour(), tenants.make_app("elsewhere")[0]
    own, site = new(app), labels.live(app.pk, "user")
    assert prompt_versions.find("user-1", app) == prompt_versions.find(own.public_id, app) == own
    assert prompt_versions.find("site-user-1", app) == prompt_versions.find("user-1") == site
    assert prompt_versions.find(own.public_id) == own
    assert (prompt_versions.name_of(own), prompt_versions.name_of(site)) == ("user-1", "site-user-1")
    for ref, where in [(own.public_id, other), ("user-1", other), ("user-9", app), ("nothing", None), ("x" * 22, None)]:
        with pytest.raises(NotFound, match="Prompt version not found"):
            prompt_versions.find(ref, where)


@in_transactions
def test_uses_are_counted_to_a_limit(settings, monkeypatch):
    settings.HONCHO = AT_ONCE
    subject = person()
    for text in ("one", "two", "three"):
        say(text)
        one_pass()
    live, other = labels.live(subject.app_id, "user"), new()
    assert prompt_versions.uses([live, other]) == {live.pk: 3, other.pk: 0}
    monkeypatch.setattr(prompt_versions, "COUNTED", 2)
    assert prompt_versions.uses([live]) == {live.pk: 2}
