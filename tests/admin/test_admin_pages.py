"""Every page of the admin: what it shows, what it refuses, and how many queries it makes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from memory import corrections, keys
from memory.admin import base
from memory.admin import log as log_admin
from memory.models import ApiKey, App, Conclusion, Event, Project, Representation, Session, Subject, User
from reasoning import circuit, disposition, prompt_versions
from reasoning.models import Budget, Pass, Price, PromptVersion, ProviderState, Spend, Work, Worker
from reasoning.providers.base import Failure, ProviderError
from tests.admin import acting, data

pytestmark = pytest.mark.django_db

MODELS = [
    App, User, Project, Session, Event, Subject, Representation, Conclusion, ApiKey, PromptVersion, Work, Pass, Worker,
    ProviderState, Price, Budget, Spend,
]  # fmt: skip
DELETABLE = [Price, Budget]
NOTHING_EDITABLE = [Event, Subject, Representation, Conclusion, Work, Pass, Worker, ProviderState, Spend]
NO_CHANGE = [*NOTHING_EDITABLE, ApiKey, PromptVersion]
REFUSED, FOUND, MOVED = 403, 200, 302


def name_of(model):
    """The beginning of the names of a model's admin URLs."""
    return f"admin:{model._meta.app_label}_{model._meta.model_name}"


def list_of(model):
    """The address of a model's list."""
    return reverse(f"{name_of(model)}_changelist")


def page_of(row):
    """The address of a row's page."""
    return reverse(f"{name_of(type(row))}_change", args=[row.pk])


def subject_of(user) -> Any:
    """The subject of what is known of a user."""
    return Subject.objects.get(user=user, kind="user")


def text_of(response):
    """What the answer says."""
    return response.content.decode()


def queries_of(client, url):
    """How many queries a page makes; a first visit fills what is cached for the process."""
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(url)
    assert response.status_code == FOUND
    assert not [query["sql"] for query in captured if "SELECT DISTINCT" in query["sql"]]
    return len(captured)


@pytest.fixture
def ana():
    """Ana, with two versions, events that wait, and one row of every other model."""
    user = data.ana()
    data.project_with_session(user.app)
    keys.create("agent", "app", app=user.app)
    Worker.objects.create(name="host:1", started_at=timezone.now(), beat_at=timezone.now(), in_flight=3)
    circuit.failed("openai", ProviderError(Failure.QUOTA, "The key has no credit left."))
    data.spending(user.app)
    return user


@pytest.fixture
def operator(client):
    """A client in which a superuser is logged in."""
    client.force_login(data.superuser())
    return client


def test_every_list_and_page_renders(operator, ana, subtests):
    for model in MODELS:
        with subtests.test(model.__name__):
            assert model in admin.site._registry
            assert operator.get(list_of(model)).status_code == FOUND
            rows = list(model._default_manager.all()[:30])
            assert rows
            for row in rows:
                assert operator.get(page_of(row)).status_code == FOUND, row


def test_the_index_shows_every_model(operator, ana):
    shown = text_of(operator.get(reverse("admin:index")))
    for model in MODELS:
        assert list_of(model) in shown


def test_lists_make_as_many_queries_for_50_rows_as_for_5(operator):
    def fill(size, name):
        app = data.crowd(size, name)
        data.project_with_session(app, [f"{name} {i}" for i in range(size)])
        for i in range(size):
            now = timezone.now()
            App.objects.create(name=f"{name} {i}")
            keys.create("key", "app", app=app)
            prompt_versions.create("user", "Text", message="More", app=app)
            Worker.objects.create(name=f"{name}:{i}", started_at=now, beat_at=now)
            circuit.failed(f"{name}:{i}", ProviderError(Failure.QUOTA, "The key has no credit left."))
            data.spending(App.objects.get(name=f"{name} {i}"), model=f"model {name} {i}")

    def counts():
        return {model.__name__: queries_of(operator, list_of(model)) for model in MODELS}

    fill(5, "few")
    few = counts()
    fill(50, "many")
    assert counts() == few
    assert max(few.values()) <= 9, few


def test_pages_make_as_many_queries_for_much_as_for_little(operator):
    def counts():
        subject = subject_of(User.objects.get(name="user 0"))
        rows = [
            subject.user,
            subject,
            subject.current,
            subject.conclusions.order_by("-pk").first(),
            subject.line.passes.order_by("-started_at").first(),
            subject.line.work,
            Event.objects.filter(author=subject.user).order_by("-pk").first(),
            Session.objects.get(name="long"),
            subject.app,
            PromptVersion.objects.get(kind="user"),
            Budget.objects.get(app=subject.app, period="day"),
            Price.objects.earliest("pk"),
            Spend.objects.earliest("pk"),
        ]
        return {type(row).__name__: queries_of(operator, page_of(row)) for row in rows}

    data.crowd(1)
    user = User.objects.get(name="user 0")
    data.grow(user, 5, statements=2)
    data.spending(user.app)
    little = counts()
    data.grow(user, 20, statements=10)
    data.spending(user.app, rows=20, period="month")
    assert counts() == little
    assert max(little.values()) <= 24, little


def test_what_is_immutable_has_no_add_change_or_delete(operator, ana, subtests):
    for model in NOTHING_EDITABLE:
        with subtests.test(model.__name__):
            row = model._default_manager.first()
            before = model._default_manager.count()
            page = text_of(operator.get(page_of(row)))
            assert 'name="_save"' not in page
            assert "deletelink" not in page
            assert operator.get(reverse(f"{name_of(model)}_add")).status_code == REFUSED
            assert operator.post(reverse(f"{name_of(model)}_add"), {}).status_code == REFUSED
            assert operator.post(page_of(row), {"content": "changed"}).status_code == REFUSED
            gone = operator.post(reverse(f"{name_of(model)}_delete", args=[row.pk]), {"post": "yes"})
            assert gone.status_code == REFUSED
            assert model._default_manager.count() == before
            assert not re.search(r'<(input|textarea|select)[^>]* name="(content|text|state|outcome|name)"', page)


def test_nobody_deletes(operator, ana, subtests):
    for model in [each for each in MODELS if each not in DELETABLE]:
        with subtests.test(model.__name__):
            row = model._default_manager.first()
            answer = operator.post(reverse(f"{name_of(model)}_delete", args=[row.pk]), {"post": "yes"})
            assert answer.status_code == REFUSED
            chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
            acted = operator.post(list_of(model), chosen)
            assert acted.status_code in (FOUND, MOVED)
            assert model._default_manager.filter(pk=row.pk).exists()


def test_staff_without_permission_see_nothing(client, ana, subtests):
    client.force_login(data.staff())
    for model in MODELS:
        with subtests.test(model.__name__):
            row = model._default_manager.first()
            assert client.get(list_of(model)).status_code == REFUSED
            assert client.get(page_of(row)).status_code == REFUSED
            assert list_of(model) not in text_of(client.get(reverse("admin:index")))


def test_somebody_who_may_see_versions_alone_gets_no_other_rows_nor_links(client, ana):
    client.force_login(data.staff("view_representation"))
    current = subject_of(ana).current
    shown = text_of(client.get(page_of(current)))
    assert "Graça" in shown
    assert "Please correct" not in shown
    assert "Yes please! She is mad about tiles" not in shown
    for model in (Event, Conclusion, Subject, Pass, User, App):
        assert list_of(model) not in shown


def test_a_version_shows_its_statements_their_evidence_and_what_it_changed(operator, ana):
    current = subject_of(ana).current
    shown = text_of(operator.get(page_of(current)))
    assert "What an agent reads" in shown
    assert "Lea loves tiles and trams." in shown
    assert "<q>Yes please! She is mad about tiles" in shown
    retired = shown[shown.index("What it changed") :]
    assert "Alfama" in retired
    assert "Her brother moves house that week" in retired
    evidence = Event.objects.get(content__startswith="Yes please!")
    assert page_of(evidence) in shown
    assert page_of(current.passes.get()) in shown
    assert page_of(current.parent) in shown
    assert f"{list_of(Representation)}?subject={current.subject_id}" in shown
    assert page_of(PromptVersion.objects.get(kind="user")) in shown


def test_a_version_shows_only_what_it_rested_on_when_it_was_made(operator, ana):
    subject = subject_of(ana)
    first = subject.representations.get(number=1)
    later = Event.objects.get(content__startswith="Yes please!")
    shown = text_of(operator.get(page_of(first)))
    meat = shown[shown.index("Ana does not eat meat.</a></p>") :]
    assert "rests on 1 event<" in meat[:1200]
    assert page_of(later) not in shown
    assert Conclusion.objects.get(content="Ana does not eat meat.").evidence.count() == 2


def test_a_subject_shows_freshness_statements_versions_and_work(operator, ana):
    subject = subject_of(ana)
    shown = text_of(operator.get(page_of(subject)))
    assert "1 event behind" in shown
    assert "What an agent reads now" in shown
    assert re.search(r"\+[23]</span> <span[^>]*>−1<", shown)
    assert page_of(subject.line.work) in shown
    assert "version 2" in shown


def test_a_subject_shows_what_humans_said_who_and_why(operator, client, ana):
    subject = subject_of(ana)
    assert "Corrections" not in text_of(operator.get(page_of(subject)))
    meat = Conclusion.objects.get(subject=subject, content="Ana does not eat meat.")
    corrections.edit(subject, meat.pk, f"Ana is a vegan. {data.HOSTILE}", by="olga", reason="She says so <now>")
    corrections.retract(subject, Conclusion.objects.get(content="Lea is allergic to peanuts.").pk, by="key 7")
    shown = text_of(operator.get(page_of(subject)))
    section = shown[shown.index("<h2>Corrections") : shown.index("<h2>Lines and work")]
    assert section.index("Retract") < section.index("Edit"), "newest first"
    for part in (
        "olga",
        "key 7",
        "She says so &lt;now&gt;",
        "Lea is allergic",
        "Ana does not eat meat.",
        page_of(meat),
    ):
        assert part in section
    assert data.HOSTILE not in shown
    assert "A human corrected a statement by <strong>olga</strong>" in shown
    assert "retracted" in text_of(operator.get(list_of(Conclusion)))
    client.force_login(data.staff("view_subject", "view_representation"))
    hidden = text_of(client.get(page_of(subject)))
    assert "<h2>Corrections" not in hidden


def test_an_event_shows_its_neighbours_feeds_and_conclusions(operator, ana):
    event = Event.objects.get(content__startswith="We stay with my brother")
    shown = text_of(operator.get(page_of(event)))
    assert 'aria-current="true"' in shown
    assert "I hate flying" in shown
    assert "Lea is allergic to peanuts." in shown
    assert page_of(subject_of(ana)) in shown


def test_the_log_is_found_by_content_id_session_and_version(operator, ana):
    def found(**query):
        return operator.get(list_of(Event), query).context["cl"].result_count

    session = Session.objects.get(name="lisbon-in-may")
    event = Event.objects.get(content__startswith="I hate flying")
    current = subject_of(ana).current
    assert found(q="flying") == 1
    assert found(q=event.public_id) == 1
    assert found(q=str(event.pk)) == 1
    assert found(session=session.pk) == 10
    assert found(covered_by=current.pk) == 3
    assert found(author=ana.pk) == 7
    assert found(kind="tool_call") == 0
    assert found(recorded="hour", app=ana.app_id) == 10
    assert operator.get(list_of(Event), {"session": "nonsense"}).status_code == MOVED


def test_a_search_looks_at_the_newest_events_only(operator, ana, monkeypatch):
    monkeypatch.setattr(log_admin.EventAdmin, "window", 3)
    found = operator.get(list_of(Event), {"q": "planning"}).context["cl"].result_count
    assert found == 0
    assert operator.get(list_of(Event), {"q": "tiles"}).context["cl"].result_count == 1
    old = Event.objects.earliest("pk")
    assert operator.get(list_of(Event), {"q": old.public_id}).context["cl"].result_count == 1


def test_a_list_never_counts_a_large_table(operator, monkeypatch):
    data.crowd(30)
    monkeypatch.setattr(base, "COUNT_LIMIT", 10)
    with CaptureQueriesContext(connection) as captured:
        shown = operator.get(list_of(Event)).context["cl"]
    counts = [query["sql"] for query in captured if "COUNT(*)" in query["sql"]]
    assert counts
    assert all("LIMIT 11" in sql for sql in counts)
    assert shown.result_count >= 11
    assert shown.paginator.num_pages == 1


def test_text_of_models_is_escaped(operator, ana):
    version = data.quarantined(ana)
    work = data.parked(ana)
    event = Event.objects.get(content__contains="script")
    passes = Pass.objects.filter(line=version.line).exclude(outcome="published")
    for row in (version, work, event, *passes):
        shown = text_of(operator.get(page_of(row)))
        assert data.HOSTILE not in shown, row
    assert "&lt;script&gt;" in text_of(operator.get(page_of(version)))
    assert any("&lt;script&gt;" in text_of(operator.get(page_of(row))) for row in passes)
    for model in (Event, Representation, Pass, Work):
        assert data.HOSTILE not in text_of(operator.get(list_of(model)))
    assert "Quarantined" in text_of(operator.get(page_of(version)))


def test_a_key_is_made_and_shown_once(operator, ana):
    form = {"name": "bot", "scope": "user", "app": ana.app_id, "user": ana.pk, "expires_at_0": "", "expires_at_1": ""}
    made = operator.post(reverse("admin:memory_apikey_add"), form)
    (key,) = re.findall(r'id="made-key">(hk_[^<]+)<', text_of(made))
    row = ApiKey.objects.get(name="bot")
    grant = keys.verify(key)
    assert grant is not None
    assert grant.user_id == ana.pk
    assert "no-store" in made["Cache-Control"]
    assert key not in str(made.cookies)
    for url in (list_of(ApiKey), page_of(row), reverse("admin:index")):
        shown = text_of(operator.get(url))
        assert key not in shown
        assert row.digest not in shown
        assert "digest" not in shown


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"scope": "app"}, "needs the app"),
        ({"scope": "user", "app": "own"}, "needs the user"),
        ({"scope": "operator", "app": "own"}, "names no app"),
        ({"scope": "user", "app": "other", "user": "own"}, "belongs to another app"),
        ({"scope": "operator", "expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "lies in the past"),
    ],
)
def test_a_key_that_does_not_fit_its_scope_is_refused(operator, ana, form, problem):
    other = App.objects.create(name="other")
    places = {("app", "own"): ana.app_id, ("app", "other"): other.pk, ("user", "own"): ana.pk}
    sent = {name: places.get((name, value), value) for name, value in form.items()}
    before = ApiKey.objects.count()
    answer = operator.post(reverse("admin:memory_apikey_add"), {"name": "bot", **sent})
    assert problem in text_of(answer)
    assert ApiKey.objects.count() == before


def test_keys_are_revoked_by_who_may_change_them(client, ana):
    row, key = keys.create("bot", "app", app=ana.app)
    revoke = {"action": "revoke", "_selected_action": [row.pk]}
    client.force_login(data.staff("view_apikey"))
    assert "Revoke selected keys" not in text_of(client.get(list_of(ApiKey)))
    acting.act(client, list_of(ApiKey), **revoke)
    assert keys.verify(key) is not None
    client.force_login(data.staff("view_apikey", "change_apikey", name="keeper"))
    acting.act(client, list_of(ApiKey), **revoke)
    keys.forget()
    assert keys.verify(key) is None
    assert "revoked" in text_of(client.get(list_of(ApiKey)))


def test_the_next_prompt_version_begins_with_the_live_one(operator):
    live = PromptVersion.objects.get(kind="user", labels__name="live")
    page = text_of(operator.get(page_of(live)))
    assert f"?from={live.pk}" in page
    form = operator.get(reverse("admin:reasoning_promptversion_add"), {"from": live.pk}).context["adminform"].form
    assert form.initial["instructions"] == live.instructions
    text = f"{live.instructions}\n\nSay less."
    sent = {"kind": "user", "instructions": text, "parameters": '{"temperature": 0}', "message": "Shorter"}
    operator.post(reverse("admin:reasoning_promptversion_add"), sent)
    made = PromptVersion.objects.get(message="Shorter")
    assert (made.number, made.is_live, made.parameters) == (2, False, {"temperature": 0})
    assert str(made.author) == "operator"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"instructions": "Know {nobody}."}, "no placeholder {nobody}"),
        ({"instructions": "A { alone"}, "A brace has no partner"),
        ({"message": ""}, "This field is required"),
        ({"parameters": "[1]"}, "Give a JSON object"),
        ({"parameters": "{"}, "Enter a valid JSON"),
    ],
)
def test_a_prompt_version_with_a_problem_is_refused_in_the_form(operator, changed, problem):
    sent = {"kind": "user", "instructions": "Know {subject}.", "parameters": "{}", "message": "New", **changed}
    before = PromptVersion.objects.count()
    answer = operator.post(reverse("admin:reasoning_promptversion_add"), sent)
    assert problem in text_of(answer)
    assert PromptVersion.objects.count() == before


def test_a_prompt_version_never_changes(client):
    made = prompt_versions.create("user", "Know {subject}.", message="New")
    client.force_login(data.staff("view_promptversion", "edit_prompts"))
    assert client.post(page_of(made), {"instructions": "Other"}).status_code == REFUSED
    made.refresh_from_db()
    assert made.instructions == "Know {subject}."


def test_parked_work_is_retried_by_who_may_change_it(client, ana):
    work = data.parked(ana)
    retry = {"action": "retry", "_selected_action": [work.pk]}
    client.force_login(data.staff("view_work"))
    shown = text_of(client.get(list_of(Work)))
    assert "parked" in shown.lower()
    assert "Retry parked work" not in shown
    acting.act(client, list_of(Work), **retry)
    work.refresh_from_db()
    assert work.state == Work.State.PARKED
    client.force_login(data.staff("view_work", "change_work", name="keeper"))
    acting.act(client, list_of(Work), **retry)
    work.refresh_from_db()
    assert (work.state, work.attempts) == (Work.State.WAITING, 0)
    assert Work.objects.filter(pk=work.pk, due_at__lte=timezone.now() + timedelta(seconds=1)).exists()


def test_a_parked_line_goes_on_without_an_event_by_who_may_change_it(client, ana):
    work = data.parked(ana)
    before = work.line.cursor
    skip = {"action": "skip", "_selected_action": [work.pk]}
    client.force_login(data.staff("view_work"))
    acting.act(client, list_of(Work), **skip)
    work.line.refresh_from_db()
    assert work.line.cursor == before
    client.force_login(data.staff("view_work", "change_work", name="keeper"))
    acting.act(client, list_of(Work), **skip)
    work.line.refresh_from_db()
    assert work.line.cursor == before + 1
    newest = Representation.objects.filter(line=work.line).latest("number")
    assert newest.made_by["by"] == "keeper"


@pytest.mark.parametrize("many", [True, False])
def test_only_the_event_that_was_looked_at_is_left_out(client, ana, many):
    work = data.parked(ana)
    client.force_login(data.superuser())
    chosen = acting.choice("skip", [work]) if many else {}
    url = list_of(Work) if many else reverse("admin:reasoning_work_skip", args=[work.pk])
    looked = acting.preview(client, url, **chosen).context["preview"].digest
    disposition.skip(work, by="another")
    assert data.parked(ana) == work, "parked anew, by what came next"
    work.line.refresh_from_db()
    stood = work.line.cursor
    answer = acting.preview(client, url, token=looked, **chosen)
    assert "This has changed since you looked" in text_of(answer)
    work.line.refresh_from_db()
    assert work.line.cursor == stood


def test_a_paused_provider_is_resumed_by_who_may_change_it(client):
    circuit.failed("openai", ProviderError(Failure.QUOTA, "The key has no credit left."))
    resume = {"action": "resume", "_selected_action": ["openai"]}
    client.force_login(data.staff("view_providerstate"))
    shown = text_of(client.get(list_of(ProviderState)))
    assert "paused until an operator resumes it" in shown
    assert "The key has no credit left." in shown
    acting.act(client, list_of(ProviderState), **resume)
    assert circuit.allowance("openai").calls == 0
    client.force_login(data.staff("view_providerstate", "change_providerstate", name="keeper"))
    acting.act(client, list_of(ProviderState), **resume)
    assert circuit.allowance("openai").calls == 1


def test_tenants_are_made_with_their_subjects(operator):
    operator.post(reverse("admin:memory_app_add"), {"name": "shop", "metadata": "{}"})
    app = App.objects.get(name="shop")
    operator.post(reverse("admin:memory_user_add"), {"app": app.pk, "name": "eve", "metadata": '{"tier": 1}'})
    user = User.objects.get(app=app)
    operator.post(reverse("admin:memory_project_add"), {"app": app.pk, "name": "atlas", "metadata": "{}"})
    project = Project.objects.get(app=app)
    sent = {"app": app.pk, "owner": user.pk, "project": project.pk, "name": "first", "metadata": "{}"}
    operator.post(reverse("admin:memory_session_add"), sent)
    session = Session.objects.get(app=app)
    assert user.metadata == {"tier": 1}
    assert session.is_active
    assert list(session.participants.all()) == [user]
    assert set(Subject.objects.filter(app=app).values_list("kind", flat=True)) == {"user", "project", "session"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": "a/b"}, "holds no"),
        ({"name": "eve"}, "already exists"),
        ({"metadata": "[]"}, "Give an object"),
        ({"metadata": '{"a": "\\u0000"}'}, "NUL character"),
        ({"metadata": "{"}, "Enter a valid JSON"),
    ],
)
def test_a_tenant_that_the_api_would_refuse_is_refused(operator, changed, problem):
    app = App.objects.create(name="shop")
    User.objects.create(app=app, name="eve")
    answer = operator.post(
        reverse("admin:memory_user_add"), {"app": app.pk, "name": "bob", "metadata": "{}", **changed}
    )
    assert problem in text_of(answer).replace("&#x27;", "'")
    assert User.objects.filter(app=app).count() == 1


def test_metadata_may_change_and_names_may_not(operator, ana):
    operator.post(page_of(ana), {"name": "renamed", "metadata": '{"plan": "gold"}'})
    ana.refresh_from_db()
    assert (ana.name, ana.metadata) == ("ana", {"plan": "gold"})


def test_metadata_is_shown_indented_to_who_may_only_look(client, ana):
    User.objects.filter(pk=ana.pk).update(metadata={"plan": {"tier": "gold"}})
    client.force_login(data.staff("view_user"))
    assert "&quot;tier&quot;: &quot;gold&quot;\n" in text_of(client.get(page_of(ana)))


def test_autocomplete_finds_users(operator, ana):
    query = {"term": "an", "app_label": "memory", "model_name": "session", "field_name": "owner"}
    found = operator.get(reverse("admin:autocomplete"), query).json()
    assert [row["text"] for row in found["results"]] == ["ana"]


def test_the_pages_of_django_q2_are_for_superusers_only(client, operator):
    schedules = reverse("admin:django_q_schedule_changelist")
    assert operator.get(schedules).status_code == FOUND
    client.logout()
    allowed = [f"{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in ("schedule", "ormq")]
    client.force_login(data.staff(*allowed))
    assert client.get(schedules).status_code == REFUSED
    assert client.get(reverse("admin:django_q_schedule_add")).status_code == REFUSED
    assert client.get(reverse("admin:django_q_ormq_changelist")).status_code == REFUSED
    assert schedules not in text_of(client.get(reverse("admin:index")))
