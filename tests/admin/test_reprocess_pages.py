"""Runs that read again, in the admin: estimated, steered, compared, promoted, undone; and their batches."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from memory import clock, ids
from memory.models import App, Audit, Subject
from reasoning import passes, prompt_versions, queue
from reasoning.admin.reprocessing import runs
from reasoning.models import Batch, Pass, PromptVersion, Reprocess
from reasoning.providers.base import Answer, Failure, ProviderError, Statement
from reasoning.reprocessing import advance, lifecycle
from reasoning.reprocessing.parts import Part
from tests.admin import data
from tests.admin.test_admin_pages import FOUND, MOVED, REFUSED, list_of, operator, page_of, text_of  # noqa: F401
from tests.loop.helpers import AT_ONCE, STEP, completion

pytestmark = pytest.mark.django_db

NEW = "admin:reasoning_reprocess_new"
ACTS = ("start", "pause", "resume", "throttle", "cancel", "discard", "promote", "undo")
MISSING = 404


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}


@pytest.fixture
def studio() -> App:
    """Three users of whom something is known."""
    return data.crowd(3, "studio")


def second_prompt() -> PromptVersion:
    """A prompt that reads better."""
    found = PromptVersion.objects.filter(kind="user", app=None, number=2).first()
    first = PromptVersion.objects.get(kind="user", app=None, number=1)
    return found or prompt_versions.create("user", f"{first.instructions}\nAgain.", message="Finds goals")


def draft(app: App, **options) -> Reprocess:
    return lifecycle.create(second_prompt(), app=app, reason="Goals were missed", by="maria", **options)


def started(app: App, **options) -> Reprocess:
    """A run whose lines are open."""
    run = lifecycle.start(draft(app, **options))
    advance.advance()
    return run


def read(run: Reprocess, words: str = "has goals", failing: str = "") -> Reprocess:
    """Let a run read everything; the subject that is named fails."""
    for claim in queue.claim(1_000, "worker-1"):
        prepared = passes.prepare(claim, STEP)
        assert prepared is not None
        if prepared.request.subject == failing:
            passes.fail(claim, ProviderError(Failure.REFUSED, "It will not"), prepared)
        else:
            text = f"{prepared.request.subject} {words}"
            passes.complete(prepared, completion(Answer(add=(Statement(text, (1,)),), now=text)))
    advance.advance()
    advance.advance()
    return Reprocess.objects.get(pk=run.pk)


def done(app: App, **options) -> Reprocess:
    run = read(started(app), **options)
    assert run.state == "done"
    return run


def overtaken(run: Reprocess) -> Reprocess:
    """A paused run; what is served of one of its subjects has read more since."""
    run = lifecycle.pause(run)
    data.say("studio", "user 1", "session 1", ("user 1", "I like trams."))
    data.reason(lambda prepared: data.one_statement(prepared, "likes trams"))
    return run


def url_of(run: Reprocess, name: str) -> str:
    return reverse(f"admin:reasoning_reprocess_{name}", args=[run.pk])


def typed(**fields) -> dict[str, str]:
    """The form of a new run, filled in."""
    return {
        "prompt": str(second_prompt().pk), "app": "studio", "window": "all", "since": "", "subjects": "",
        "carrier": "calls", "passes_per_minute": "", "token_budget": "", "money_budget": "",
        "reason": "Goals were missed",
    } | fields  # fmt: skip


def token_of(response) -> str:
    return re.search(r'name="token" value="(\w+)"', text_of(response))[1]


def queries_of(client, url: str) -> int:
    """How many queries a page makes; a first visit fills what is cached for the process."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == FOUND
    return len(captured)


def shown(client, run: Reprocess, act: str, **fields) -> str:
    """What an act says that it would do."""
    return text_of(client.post(url_of(run, act), {"step": "preview", "reason": "Because", **fields}))


def take(client, run: Reprocess, act: str, **fields) -> str:
    """Do an act to its end; what the page says then."""
    sent = {"step": "preview", "reason": "Because", **fields}
    preview = client.post(url_of(run, act), sent)
    return text_of(client.post(url_of(run, act), sent | {"token": token_of(preview)}, follow=True))


def served(run: Reprocess) -> list[str]:
    """What readers get of the subjects of a run, by name."""
    subjects = Subject.objects.filter(kind="user", app=run.app).select_related("current").order_by("user__name")
    return [subject.current.now for subject in subjects]


BEFORE = [f"user {number} likes a number" for number in range(3)]
AFTER = [f"user {number} has goals" for number in range(3)]


# Estimated, then begun


def test_a_run_is_estimated_before_anything_is_kept_and_begun_as_it_was_estimated(operator, studio):  # noqa: F811
    asked = operator.post(reverse(NEW), typed(estimate="1", token_budget="10"))
    told = text_of(asked)
    for figure, value in (("Subjects", 3), ("Events", 3), ("Passes", 3)):
        assert re.search(rf"<dt>{figure}</dt><dd>{value}\b", told)
    assert "3 passes of user prompts with the same model" in told
    assert re.search(r"It is expected to take [\d,]+ tokens, and the budget has 10\. It would pause there\.", told)
    assert Reprocess.objects.count() == 0
    answer = operator.post(reverse(NEW), typed(start="1", token_budget="10", token=token_of(asked)))
    run = Reprocess.objects.get()
    assert (answer.status_code, answer.url) == (MOVED, page_of(run))
    assert (run.state, run.token_budget, run.by, run.app) == ("running", 10, "operator", studio)


def test_what_was_changed_since_is_estimated_anew_and_not_begun(operator, studio):  # noqa: F811
    token = token_of(operator.post(reverse(NEW), typed(estimate="1")))
    again = operator.post(reverse(NEW), typed(start="1", subjects="user 1", token=token))
    assert re.search(r"<dt>Subjects</dt><dd>1\b", text_of(again))
    assert Reprocess.objects.count() == 0
    operator.post(reverse(NEW), typed(draft="1", subjects="user 1", token=token_of(again)))
    run = Reprocess.objects.get()
    assert (run.state, len(run.subjects)) == ("draft", 1)


CANNOT_BE = [
    ("app", {"app": "nowhere"}, "App not found"),
    ("since", {"window": "since"}, "Give the day."),
    ("since", {"window": "since", "since": "2999-01-01"}, "A window begins in the past."),
    ("subjects", {"subjects": "nobody"}, "There is no such user in this app."),
    ("subjects", {"app": "", "subjects": "user 1"}, "Name the app of these subjects."),
    ("reason", {"reason": ""}, "This field is required."),
]


def test_what_cannot_be_is_said_at_its_field(operator, studio, subtests):  # noqa: F811
    for field, fields, problem in CANNOT_BE:
        with subtests.test(f"{field}: {problem}"):
            told = text_of(operator.post(reverse(NEW), typed(estimate="1", **fields)))
            assert problem in told[told.index(f"field-{field}") :].partition("form-row field-")[0]
            assert 'name="token"' not in told


def test_a_scope_without_events_cannot_be_started(operator, studio):  # noqa: F811
    App.objects.create(name="empty")
    told = text_of(operator.post(reverse(NEW), typed(estimate="1", app="empty")))
    assert "There is nothing to read" in told
    assert 'name="start"' not in told


def test_a_prompt_versions_page_leads_to_a_run_with_it(operator, studio):  # noqa: F811
    run = draft(studio)
    version = run.prompt_version
    told = text_of(operator.get(page_of(version)))
    assert page_of(run) in told
    assert f"{reverse(NEW)}?prompt={version.pk}" in told
    asked = text_of(operator.get(f"{reverse(NEW)}?prompt={version.pk}&app=studio"))
    assert f'<option value="{version.pk}" selected>' in asked
    assert 'value="studio"' in asked


# Seen


def test_a_runs_page_says_how_far_it_is_what_it_spent_and_what_went_wrong(operator, studio):  # noqa: F811
    run = started(studio, token_budget=1_000, passes_per_minute=90)
    told = text_of(operator.get(page_of(run)))
    assert 'data-refresh="5"' in told
    assert re.search(r'max="3" value="0" aria-label="Events read"', told)
    assert "at most 90 passes a minute" in told
    run = read(run, failing="user 1")
    told = text_of(operator.get(page_of(run)))
    assert "Everything is read, but 1 of 3 failed." in told
    assert re.search(r'max="3" value="2" aria-label="Events read"', told)
    assert "240 of 1,000" in told
    assert "The model refused to answer." in told
    assert "It will not" in told
    assert f"{url_of(run, 'subjects')}?state=failed" in told
    assert "<ins>" in told
    lifecycle.discard(run)
    assert "data-refresh" not in text_of(operator.get(page_of(run)))


def test_the_list_shows_how_many_subjects_are_read(operator, studio):  # noqa: F811
    run = read(started(studio), failing="user 1")
    told = text_of(operator.get(list_of(Reprocess)))
    assert re.search(r'max="3" value="3" aria-label="Subjects read"></progress> 3 of 3', told)
    assert page_of(run) in told
    assert reverse(NEW) in told


def test_the_subjects_of_a_run_are_paged_and_kept_apart_by_state(operator, studio, monkeypatch):  # noqa: F811
    monkeypatch.setattr(runs, "PAGE", 2)
    run = read(started(studio), failing="user 1")
    first = text_of(operator.get(url_of(run, "subjects")))
    assert re.findall(r'<th scope="row"><a [^>]+>(user \d)', first) == ["user 0", "user 1"]
    assert "It failed: It will not" in first
    [after] = re.findall(r"\?after=(\w+)\"", first)
    second = text_of(operator.get(url_of(run, "subjects"), {"after": after}))
    assert re.findall(r'<th scope="row"><a [^>]+>(user \d)', second) == ["user 2"]
    failed = text_of(operator.get(url_of(run, "subjects"), {"state": "failed"}))
    assert re.findall(r'<th scope="row"><a [^>]+>(user \d)', failed) == ["user 1"]
    assert operator.get(url_of(run, "subjects"), {"state": "odd"}).status_code == MISSING
    assert operator.get(url_of(run, "subjects"), {"after": "odd"}).status_code == MISSING


def test_a_sample_shows_each_change_as_text_and_says_where_it_is_worse(operator, studio):  # noqa: F811
    run = done(studio, words=data.HOSTILE)
    for url in (url_of(run, "sample"), page_of(run)):
        told = text_of(operator.get(url))
        assert data.HOSTILE not in told
        assert escape(data.HOSTILE) in told
        assert "Statements: 1 added" in told
    assert "none of these 3 would be worse" in text_of(operator.get(url_of(run, "sample")))
    overtaken(run)
    told = text_of(operator.get(url_of(run, "sample")))
    assert "1 of 3 would be worse" in told
    assert "It has read the feed up to event 1; what is served has read up to 2." in told


def test_pages_make_as_many_queries_for_30_subjects_as_for_5(operator):  # noqa: F811
    counts = []
    for size in (5, 30):
        app = data.crowd(size, f"of {size}")
        run = read(started(app), failing="user 1")
        pages = (page_of(run), url_of(run, "subjects"), url_of(run, "sample"), list_of(Reprocess))
        counts.append([queries_of(operator, url) for url in pages])
    five, thirty = counts
    assert (five[0], five[1], five[3]) == (thirty[0], thirty[1], thirty[3])
    assert thirty[2] - five[2] <= 3 * (runs.SAMPLED - 4)  # three for each subject of a sample


# Steered


def test_a_run_is_started_paused_resumed_throttled_and_cancelled_with_a_reason_each(operator, studio):  # noqa: F811
    run = draft(studio)
    assert "Started: 3 events of 3 subjects." in take(operator, run, "start")
    assert "Paused." in take(operator, run, "pause")
    assert "It stands" in shown(operator, run, "resume")
    assert "It goes on." in take(operator, run, "resume")
    limits = {"passes_per_minute": "30", "token_budget": "5000", "money_budget": "1.5"}
    assert "no limit → 5,000" in shown(operator, run, "throttle", **limits)
    assert "Its limits are set." in take(operator, run, "throttle", **limits)
    run.refresh_from_db()
    assert (run.passes_per_minute, run.token_budget, run.money_budget) == (30, 5_000, Decimal("1.5"))
    assert "Cancelled." in take(operator, run, "cancel")
    noted = Audit.objects.filter(object_id=str(run.pk)).order_by("pk").values_list("act", "by", "reason")
    assert list(noted)[1:] == [
        (f"{verb} reprocess", "operator", "Because") for verb in ("start", "pause", "resume", "limit", "cancel")
    ]


def test_only_the_acts_that_a_state_allows_have_a_button(operator, studio):  # noqa: F811
    run = draft(studio)
    for state, allowed in (
        ("draft", {"start", "throttle", "cancel"}),
        ("running", {"pause", "throttle", "cancel"}),
        ("paused", {"resume", "throttle", "promote", "cancel"}),
        ("done", {"pause", "throttle", "promote", "discard"}),
        ("cancelled", set()),
    ):
        Reprocess.objects.filter(pk=run.pk).update(state=state)
        told = text_of(operator.get(page_of(run)))
        assert {act for act in ACTS if f'href="{url_of(run, act)}"' in told} == allowed


def test_who_may_only_look_sees_no_button_and_reaches_no_act(client, studio):
    run = done(studio)
    client.force_login(data.staff("view_reprocess"))
    told = text_of(client.get(page_of(run)))
    assert not [act for act in ACTS if url_of(run, act) in told]
    assert reverse(NEW) not in text_of(client.get(list_of(Reprocess)))
    for act in ACTS:
        assert client.post(url_of(run, act), {"step": "x", "reason": "x", "token": "x"}).status_code == REFUSED
    assert client.get(reverse(NEW)).status_code == REFUSED
    assert client.post(reverse(NEW), typed(start="1")).status_code == REFUSED
    run.refresh_from_db()
    assert (run.state, Reprocess.objects.count()) == ("done", 1)
    client.force_login(data.staff("view_pass", name="other"))
    for name in ("sample", "subjects"):
        assert client.get(url_of(run, name)).status_code == REFUSED


def test_who_runs_reprocesses_does_not_promote_them(client, studio):
    run = done(studio)
    client.force_login(data.staff("view_reprocess", "run_reprocesses"))
    told = text_of(client.get(page_of(run)))
    assert url_of(run, "discard") in told
    assert url_of(run, "promote") not in told
    assert client.get(url_of(run, "promote")).status_code == REFUSED
    client.force_login(data.staff("view_reprocess", "promote_prompts", name="promoter"))
    assert client.get(url_of(run, "promote")).status_code == FOUND
    assert client.get(url_of(run, "discard")).status_code == REFUSED


# Promoted


def promotion(**fields) -> dict[str, str]:
    return {"only": "without_regressions", "percent": "100", "subjects": "", "rest": "left"} | fields


def test_a_share_is_shown_promoted_and_added_to(operator, studio):  # noqa: F811
    run = done(studio)
    fields = promotion(percent="30", rest="later")
    told = shown(operator, run, "promote", **fields)
    assert re.search(r"Subjects that change</th><td>1<", told)
    assert re.search(r"Subjects that stay as they are</th><td>2<", told)
    assert "<ins>" in told
    assert served(run) == BEFORE
    told = take(operator, run, "promote", **fields)
    assert "Readers of 1 subjects get what the run made of them. 2 are open still." in told
    assert url_of(run, "undo") in told
    assert sorted(now in AFTER for now in served(run)) == [False, False, True]
    assert "2 are" not in take(operator, run, "promote", **promotion())
    assert served(run) == AFTER
    run.refresh_from_db()
    assert (run.state, run.state_reason) == ("promoted", "By operator: Because")


def test_named_subjects_are_promoted_alone(operator, studio):  # noqa: F811
    run = done(studio)
    assert "There is no such user in this app." in shown(operator, run, "promote", **promotion(subjects="nobody"))
    take(operator, run, "promote", **promotion(subjects="user 1"))
    assert served(run) == [BEFORE[0], AFTER[1], BEFORE[2]]


def test_what_would_be_worse_is_counted_before_it_is_promoted(operator, studio):  # noqa: F811
    run = overtaken(done(studio))
    told = shown(operator, run, "promote", **promotion(only="all"))
    assert "1 of these subjects would be worse off than now." in told
    told = shown(operator, run, "promote", **promotion())
    assert re.search(r"Subjects that change</th><td>2<", told)
    one = promotion(subjects="user 1")
    assert "There is nothing to promote in this part." in shown(operator, run, "promote", **one)


def test_what_has_changed_since_it_was_shown_is_not_promoted(operator, studio):  # noqa: F811
    run = done(studio)
    preview = operator.post(url_of(run, "promote"), {"step": "x", "reason": "Because", **promotion()})
    lifecycle.promote(run, Part(subjects=frozenset([Subject.objects.get(user__name="user 2").pk])), end=False)
    sent = {"step": "x", "reason": "Because", "token": token_of(preview), **promotion()}
    told = text_of(operator.post(url_of(run, "promote"), sent))
    assert "This has changed since you looked." in told
    assert served(run) == [*BEFORE[:2], AFTER[2]]


def test_a_promotion_is_undone_by_who_may_roll_back(client, operator, studio):  # noqa: F811
    run = done(studio)
    take(operator, run, "promote", **promotion())
    client.force_login(data.staff("view_reprocess", "run_reprocesses", "promote_prompts"))
    assert client.get(url_of(run, "undo")).status_code == REFUSED
    client.force_login(data.staff("view_reprocess", "roll_back_versions", name="on duty"))
    told = shown(client, run, "undo")
    assert re.search(r"what they got before</th><td>3<", told)
    assert "<del>" in told
    assert "Readers of 3 subjects get what they were given before." in take(client, run, "undo")
    assert served(run) == BEFORE


def test_a_run_over_all_apps_is_promoted_for_one_of_them(operator, studio):  # noqa: F811
    other = data.crowd(1, "other")
    run = read(lifecycle.start(draft(None)))
    run = read(run)
    told = shown(operator, run, "promote", **promotion(app="nowhere"))
    assert "App not found" in told
    take(operator, run, "promote", **promotion(app="other"))
    assert [subject.current.now for subject in Subject.objects.filter(kind="user", app=other)] == ["user 0 has goals"]
    assert Subject.objects.get(kind="user", app=studio, user__name="user 1").current.now == BEFORE[1]


# Batches


@pytest.fixture
def batch(studio) -> Batch:
    """A batch that was read, of whose passes one failed."""
    run = started(studio, carrier="batch")
    claims = queue.claim_of(run, 10, "batch", 3_600)
    for place, claim in enumerate(claims):
        prepared = passes.prepare(claim, STEP)
        if place:
            passes.complete(prepared, completion(Answer(add=(Statement("Has goals", (1,)),), now="Now")))
        else:
            passes.fail(claim, ProviderError(Failure.TRANSIENT, "It expired"), prepared)
    return Batch.objects.create(
        run=run, state="ended", remote_id="batch_123", passes=[ids.encode(claim.token) for claim in claims],
        ended_at=clock.now() + timedelta(seconds=1),
    )  # fmt: skip


def test_batches_stand_on_their_runs_page_and_in_a_list_of_their_own(operator, batch):  # noqa: F811
    for url in (page_of(batch.run), list_of(Batch), f"{list_of(Batch)}?run={batch.run_id}&q=batch_1"):
        told = text_of(operator.get(url))
        assert page_of(batch) in told
        assert "batch_123" in told
    told = text_of(operator.get(page_of(batch)))
    assert "answered, and read" in told
    assert "It expired" in told
    assert re.search(r"<td>2</td><td><span[^>]+>Published", told)
    assert page_of(batch.run) in told
    for url in (page_of(batch.run), list_of(Batch)):
        with CaptureQueriesContext(connection) as captured:
            told = text_of(operator.get(url))
        assert re.search(r">3</td>", told)
        # They are counted without being read.
        assert not [query for query in captured if re.search(r'"reasoning_batch"\."passes",', query["sql"])]
    link = f"{list_of(Pass)}?run={batch.run_id}"
    assert link in text_of(operator.get(page_of(batch.run)))
    assert text_of(operator.get(link)).count("field-began") == 3
