"""The pages of experiments: set up with a preview, arms side by side, blind review, and what is done to them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from memory import ids, tenants
from memory.models import Proposal, Representation, Subject
from reasoning import assignment, labels
from reasoning.admin.experiments import figures, pages
from reasoning.experiments import lifecycle, measures, pairwise, split
from reasoning.experiments.lifecycle import Candidate
from reasoning.models import Comparison, Experiment
from tests.admin import data
from tests.loop.experiments import APP, arm, experiment, live, prompt, reason, someone, tell
from tests.loop.helpers import AT_ONCE
from tests.store.helpers import person, say

pytestmark = pytest.mark.django_db

REFUSED, FOUND, MOVED = 403, 200, 302
ADD = "/admin/reasoning/experiment/add/"
STEER = ("start", "ramp", "pause", "resume", "stop")


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


@pytest.fixture
def prompts():
    """The control, which is live, and a candidate."""
    return live("Control"), prompt("Candidate")


@pytest.fixture
def operator(client):
    client.force_login(data.superuser())
    return client


def url_of(row: Experiment, name: str = "change") -> str:
    return reverse(f"admin:reasoning_experiment_{name}", args=[row.pk])


def shown(response: Any) -> str:
    """What the page says, with white space folded."""
    assert response.status_code == FOUND
    return " ".join(response.content.decode().split())


def plain(response: Any) -> str:
    """What the page says to readers, without its tags."""
    said = re.sub(r"<[^>]+>", " ", shown(response).partition('id="content-main"')[2] or shown(response))
    return " ".join(said.split())


def plan(*candidates: Any, rails: Any = (), **fields: Any) -> dict[str, Any]:
    """The form as it is sent: candidates as (version, per cent), guardrails as (measure, limit, "yes" for relative)."""
    sent = {"name": "tone", "app": APP, "kind": "user", "mode": "serve", "sample": "5", "reason": "To see"} | fields
    for rows, count in (("candidates", len(candidates)), ("guardrails", len(rails))):
        sent |= {f"{rows}-TOTAL_FORMS": count, f"{rows}-INITIAL_FORMS": 0}
    for place, (version, share) in enumerate(candidates):
        sent |= {f"candidates-{place}-version": version.public_id, f"candidates-{place}-share": share}
    for place, (measure, limit, relative) in enumerate(rails):
        row = f"guardrails-{place}"
        sent |= {f"{row}-measure": measure, f"{row}-limit": limit, f"{row}-relative": relative}
    return sent


def token_in(response: Any, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]+)"', response.content.decode())[1]


def made(operator: Any, sent: dict[str, Any]) -> Experiment:
    """Make the draft that a preview shows."""
    preview = operator.post(ADD, {**sent, "_preview": "1"})
    answer = operator.post(ADD, {**sent, "shown": token_in(preview, "shown"), "_create": "1"})
    assert answer.status_code == MOVED, answer.content.decode()
    return Experiment.objects.get(name=sent["name"])


def act(client: Any, row: Experiment, name: str, **fields: Any) -> str:
    """Ask for an act, look at its preview, confirm it; what the preview says."""
    sent = {"step": "preview", "reason": "Because", **fields}
    preview = client.post(url_of(row, name), sent)
    assert "token" in preview.content.decode(), plain(preview)
    done = client.post(url_of(row, name), {**sent, "token": token_in(preview, "token")})
    assert done.status_code == MOVED, plain(done)
    row.refresh_from_db()
    return plain(preview)


def names(subjects: Any) -> set[str]:
    return {subject.user.name for subject in subjects}


def queries_of(client: Any, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == FOUND
    return len(captured)


class TestSettingUp:
    def test_who_would_fall_where_is_shown_and_nothing_is_kept(self, operator, prompts):
        people = [person(f"user-{number}", APP) for number in range(20)]
        answer = operator.post(ADD, plan((prompts[1], 25), _preview="1"))
        said = plain(answer)
        falls = answer.context["falls"]
        assert sum(part.count for part in falls.parts) == falls.looked_at == len(people)
        assert [part.target for part in falls.parts] == [0.75, 0.25]
        assert names(subject for part in falls.parts for subject in part.examples) <= names(people)
        assert "Of the 20 subjects that there are" in said
        assert not Experiment.objects.exists()

    def test_the_draft_splits_as_it_was_shown(self, operator, prompts):
        people = [person(f"user-{number}", APP) for number in range(8)]
        sent = plan((prompts[1], 50))
        preview = operator.post(ADD, {**sent, "_preview": "1"})
        operator.post(ADD, {**sent, "shown": token_in(preview, "shown"), "_create": "1"})
        found = Experiment.objects.get()
        there = [
            subject
            for subject in people
            if assignment.arm_of(list(found.arms.all()), split.bucket_of(found.salt, subject.pk))
        ]
        assert (found.state, found.sample, found.acts.get().by) == ("draft", 500, "operator")
        assert preview.context["falls"].parts[1].count == len(there)
        assert names(preview.context["falls"].parts[1].examples) <= names(there)

    def test_what_was_not_shown_is_shown_before_it_is_made(self, operator, prompts):
        preview = operator.post(ADD, plan((prompts[1], 50), _preview="1"))
        other = plan((prompts[1], 60), shown=token_in(preview, "shown"), _create="1")
        answer = operator.post(ADD, other)
        assert "This is not what you were shown." in plain(answer)
        assert not Experiment.objects.exists()
        operator.post(ADD, {**other, "shown": token_in(answer, "shown")})
        assert Experiment.objects.get().arms.get().share == 0.6

    @pytest.mark.parametrize("token", ["", "made up", "eyJzYWx0IjoiYSJ9:1abc:def"])
    def test_nobody_chooses_the_split_by_making_up_what_was_shown(self, operator, prompts, token):
        answer = operator.post(ADD, plan((prompts[1], 50), shown=token, _create="1"))
        assert "This is not what you were shown." in plain(answer)
        assert not Experiment.objects.exists()

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"name": ""}, "This field is required."),
            ({"name": "taken"}, "There is an experiment called"),
            ({"reason": ""}, "This field is required."),
            ({"app": "nowhere"}, "There is no such app."),
            ({"sample": "101"}, "less than or equal to 100"),
            ({"candidates-0-share": "-1"}, "greater than or equal to 0"),
            ({"candidates-0-version": ""}, "Give 1 to 10 candidates."),
            ({"candidates-0-version": "forged"}, "Select a valid choice."),
            ({"guardrails-0-limit": ""}, "Give a number."),
            (
                {"guardrails-0-measure": "feedback", "guardrails-0-relative": "yes"},
                "A ratio to the control says nothing",
            ),
        ],
    )
    def test_what_is_wrong_is_said_where_it_is_and_nothing_is_kept(self, operator, prompts, changed, said):
        lifecycle.create("user", "taken", [Candidate(prompts[1])], app=tenants.find_app(APP))
        sent = plan((prompts[1], 10), rails=[("cost", "1.5", "yes")]) | changed
        assert said in plain(operator.post(ADD, {**sent, "_preview": "1"}))
        assert Experiment.objects.count() == 1

    def test_a_share_that_is_not_left_is_said_at_its_candidate(self, operator, prompts):
        answer = operator.post(ADD, plan((prompts[1], 60), (prompt("Other"), 50), _preview="1"))
        assert "At most 40.00% are left" in answer.context["candidates"].forms[1].errors["share"][0]

    def test_limits_and_modes_come_through(self, operator, prompts):
        rails = [("", "", ""), ("cost", "1.5", "yes"), ("failure_rate", "0.05", "")]
        found = made(operator, plan((prompts[1], 10), rails=rails, mode="shadow"))
        assert (found.mode, found.sample) == ("shadow", 0)
        assert [(rail["measure"], rail["limit"], rail["relative"]) for rail in found.guardrails] == [
            ("cost", 1.5, True),
            ("failure_rate", 0.05, False),
        ]

    def test_the_site_counts_where_no_app_goes_its_own_way_and_says_where_not(self, operator, prompts):
        person("ours", APP)
        person("theirs", "elsewhere")
        candidate = prompt("For all", None)
        answer = operator.post(ADD, plan((candidate, 100), app="", _preview="1"))
        assert answer.context["falls"].looked_at == 1
        assert names(answer.context["falls"].parts[1].examples) == {"theirs"}
        assert f"prompt or an experiment of their own: {APP}" in plain(answer)

    def test_a_row_is_added_and_another_apps_prompts_are_shown_without_complaint(self, operator, prompts):
        answer = operator.post(ADD, plan((prompts[1], 10), name="", app="", _more_candidates="1"))
        assert len(answer.context["candidates"].forms) == 2
        assert "required" not in plain(answer)
        answer = operator.post(ADD, plan((prompts[1], 10), name="", _choose="1"))
        offered = {label for _, label in answer.context["candidates"].forms[0].fields["version"].choices}
        assert "user-2: Candidate" in offered
        assert "user-1: Control" not in offered, "the control is no candidate"
        assert "required" not in plain(answer)

    def test_another_begins_like_the_one_before_and_from_a_prompt_version(self, operator, prompts):
        rails = [{"measure": "cost", "limit": 2, "relative": True}]
        old = experiment(prompts[1], share=0.25, sample=0.5, guarded=rails)
        said = operator.get(ADD, {"from": old.public_id})
        assert said.context["candidates"].forms[0]["version"].value() == prompts[1].public_id
        assert said.context["form"]["sample"].value() == 50
        assert said.context["guardrails"].forms[0]["relative"].value() == "yes"
        page = reverse("admin:reasoning_promptversion_change", args=[prompts[1].pk])
        assert f"{ADD}?version={prompts[1].public_id}" in operator.get(page).content.decode()
        said = operator.get(ADD, {"version": prompts[1].public_id})
        assert said.context["candidates"].forms[0]["version"].value() == prompts[1].public_id


class TestSideBySide:
    def test_a_draft_shows_who_would_fall_where(self, operator, prompts):
        person("ana", APP)
        found = lifecycle.create("user", "tone", [Candidate(prompts[1], 1.0)], app=tenants.find_app(APP))
        said = plain(operator.get(url_of(found)))
        assert "This is a draft: nobody is affected yet." in said
        assert "ana" in said

    def test_each_arm_has_its_figures_intervals_and_a_chart(self, operator, prompts):
        found = experiment(prompts[1], share=0.5, guarded=[{"measure": "failure_rate", "limit": 0.2}])
        for _ in range(2):
            tell(someone(found, arm(found)), "One.", "Two.")
            tell(someone(found, None), "One.")
        answer = operator.get(url_of(found), {"chart": "output_tokens"})
        said = plain(answer)
        for words in ("user-1", "user-2", "Tokens answered with over time", "not enough yet", "2 subjects"):
            assert words in said, words
        assert "<svg" in shown(answer)
        assert "Start experiment" not in said

    def test_of_many_subjects_some_are_counted_until_all_are_asked_for(self, operator, prompts, monkeypatch):
        monkeypatch.setattr(pages, "COUNTED", 1)
        found = experiment(prompts[1])
        for name in ("ana", "bo"):
            tell(person(name, APP), "One.")
        answer = operator.get(url_of(found))
        assert "These are the figures of 1 subject, chosen by chance" in plain(answer)
        assert answer.context["figures"].subjects == 1
        answer = operator.get(url_of(found), {"all": "1"})
        assert "chosen by chance" not in plain(answer)
        assert answer.context["figures"].subjects == 2

    def test_an_unknown_chart_is_the_first(self, operator, prompts):
        found = experiment(prompts[1])
        assert "Cost over time" in plain(operator.get(url_of(found), {"chart": "<script>"}))

    def test_a_difference_is_better_or_worse_only_where_its_interval_does_not_hold_0(self, prompts):
        found = measures.of(experiment(prompts[1]), compared=0)
        control, candidate = found.control, found.arms[0]
        for arm_figures, tokens in ((control, 100), (candidate, 50)):
            for wide in (-5, 0, 5):
                arm_figures.count(sums(output_tokens=tokens + wide, input_tokens=100 + 20 * wide, added=tokens + wide))
        cells = {row.name: row.cells[1] for _, rows in figures.table(found).groups for row in rows}
        assert (cells["output_tokens"].verdict, cells["output_tokens"].difference) == (
            "better", "5 less than the control",
        )  # fmt: skip
        assert (cells["input_tokens"].verdict, cells["input_tokens"].said) == ("open", "undecided")
        assert cells["added"].verdict == "lower", "neither better nor worse"
        assert cells["feedback"].verdict == "unknown"
        assert figures.table(found).columns[1].better == ["tokens answered with"]

    def test_a_paused_arm_says_why(self, operator, prompts):
        found = experiment(prompts[1])
        lifecycle.pause(found, arm(found), by="guardrail", reason="Far too dear")
        assert plain(operator.get(url_of(found))).count("Far too dear") == 2

    def test_where_anybody_falls_can_be_looked_up(self, operator, prompts):
        found = experiment(prompts[1], share=0.5)
        inside, outside = someone(found, arm(found)), someone(found, None)
        who = url_of(found, "who")
        assert f"{inside.user.name} falls to user-2" in plain(operator.get(who, {"subject": inside.user.name}))
        assert "falls to user-1 , the control" in plain(operator.get(who, {"subject": outside.public_id}))
        stranger = person("stranger", "elsewhere")
        assert "Nobody is called that" in plain(operator.get(who, {"subject": stranger.public_id}))

    def test_the_list_shows_them_with_their_shares(self, operator, prompts):
        experiment(prompts[1], share=0.25)
        said = shown(operator.get(reverse("admin:reasoning_experiment_changelist")))
        assert "user-2 25%" in said
        assert "running" in said


def sums(**given: float) -> dict[str, float]:
    """What one subject did: ten events in ten passes, and this."""
    known = dict.fromkeys(("failed", "stopped", "input_tokens", "output_tokens", "cost", "seconds"), 0.0)
    known |= dict.fromkeys(("text_tokens", "added", "retired", "unpriced"), 0.0)
    return known | dict.fromkeys(("passes", "answers", "events", "versions"), 10.0) | given


class TestReview:
    @pytest.fixture
    def compared(self, prompts):
        """An experiment that compares everybody, with three subjects."""
        found = experiment(prompts[1], mode="shadow")
        for name in ("ana", "bo", "cleo"):
            say("One.", user=name, app=APP)
        reason()
        return found

    def verdict(self, operator: Any, url: str, choice: str, **more: Any) -> Any:
        page = operator.get(url)
        sent = {name: token_in(page, name) for name in ("subject", "covers_to")}
        return operator.post(url, {**sent, "choice": choice, **more})

    def test_which_arm_made_which_is_told_once_the_verdict_is_given(self, operator, compared):
        url = url_of(compared, "review")
        before = shown(operator.get(url)).partition('id="content-main"')[2].partition("</form>")[0]
        for telling in ("user-1", "user-2", ids.encode(arm(compared).pk), ids.encode(arm(compared).version_id)):
            assert telling not in before
        pair = pairwise.next_pair([arm(compared)], "operator")
        answer = self.verdict(operator, url, "first", reason="It is shorter")
        kept = Comparison.objects.get()
        assert (kept.by, kept.reason) == ("operator", "It is shorter")
        mine = kept.candidate_id if kept.choice == "candidate" else kept.control_id
        assert mine == pair.first.pk
        told = plain(operator.get(answer.url))
        name = "user-2" if kept.choice == "candidate" else "user-1"
        assert f"You chose A, {name} ." in told
        assert f"That was A: {name}" in told

    def test_another_reviewer_is_not_told_of_it(self, client, operator, compared):
        answer = self.verdict(operator, url_of(compared, "review"), "tie")
        assert "You chose neither" in plain(operator.get(answer.url))
        client.force_login(data.superuser("other"))
        assert "You chose" not in plain(client.get(answer.url))

    def test_pair_after_pair_until_all_are_judged(self, operator, compared):
        url = url_of(compared, "review")
        for left in (3, 2, 1):
            assert f"{3 - left} judged by you, {left} to go" in plain(operator.get(url))
            self.verdict(operator, url, "second")
        assert "You have judged all 3 pairs" in plain(operator.get(url))

    def test_what_is_skipped_comes_again_at_the_end(self, operator, compared):
        url = url_of(compared, "review")
        first = operator.get(url)
        second = operator.get(url + re.search(r'href="(\?after=[^"]+)"', first.content.decode())[1])
        assert token_in(second, "subject") != token_in(first, "subject")
        assert "2 to go" in plain(second)
        url += f"?after={token_in(second, 'subject')}"
        onward = self.verdict(operator, url, "tie").url
        assert "with some pairs skipped" in plain(operator.get(onward))
        assert not Comparison.objects.filter(subject=ids.decode(token_in(first, "subject"))).exists()

    def test_a_second_verdict_on_a_pair_changes_nothing(self, operator, compared):
        url = url_of(compared, "review")
        page = operator.get(url)
        sent = {name: token_in(page, name) for name in ("subject", "covers_to")}
        for choice in ("first", "second"):
            answer = operator.post(url, {**sent, "choice": choice}, follow=True)
        assert "You have judged this pair already." in shown(answer)
        assert Comparison.objects.count() == 1

    def test_what_is_no_verdict_is_refused(self, operator, compared):
        url = url_of(compared, "review")
        page = operator.get(url)
        good = {name: token_in(page, name) for name in ("subject", "covers_to")} | {"choice": "tie"}
        for wrong in ({"choice": "third"}, {"choice": ""}, {"subject": "nobody"}, {"covers_to": "99"}):
            assert operator.post(url, good | wrong).status_code == MOVED
            assert not Comparison.objects.exists(), wrong

    def test_samples_are_folded_until_they_are_judged(self, operator, compared):
        samples = url_of(compared, "samples")
        said = shown(operator.get(samples))
        assert said.count("not judged by you yet") == 3
        assert 'honcho-sample" open' not in said
        self.verdict(operator, url_of(compared, "review"), "tie")
        said = shown(operator.get(samples))
        assert said.count('class="honcho-sample" open') == 1
        assert said.count("you liked both alike") == 1

    def test_what_a_model_said_is_escaped(self, operator, prompts):
        found = experiment(prompts[1], mode="shadow")
        tell(person("ana", APP), f"I am {data.HOSTILE}.")
        for page in ("review", "samples"):
            assert data.HOSTILE not in shown(operator.get(url_of(found, page)))

    def test_without_a_pair_the_page_says_when_one_comes(self, operator, prompts):
        found = experiment(prompts[1])
        assert "its share of compared subjects is 0" in plain(operator.get(url_of(found, "review")))
        assert "its share of compared subjects is 0" in plain(operator.get(url_of(found, "samples")))


class TestActs:
    def test_from_the_draft_to_the_end(self, operator, prompts):
        people = [person(f"user-{number}", APP) for number in range(10)]
        found = made(operator, plan((prompts[1], 0)))
        assert "user-2" in act(operator, found, "start")
        assert found.state == "running"
        one = arm(found).public_id
        said = act(operator, found, "ramp", arm=one, share="100")
        assert f"{len(people)} of {len(people)} of the newest subjects" in said
        assert "0.00% → 100.00%" in said
        assert arm(found).share == 1.0
        assert "Go back to the control" in act(operator, found, "pause", arm=one)
        assert arm(found).paused
        assert "Come to a candidate" in act(operator, found, "resume", arm=one)
        act(operator, found, "pause", arm="")
        assert found.state == "paused"
        act(operator, found, "resume", arm="")
        act(operator, found, "stop")
        assert (found.state, labels.live(found.app_id, "user")) == ("stopped", prompts[0])
        assert list(found.acts.order_by("pk").values_list("act", "by"))[1:] == [
            (name, "operator") for name in ("start", "ramp", "pause", "resume", "pause", "resume", "stop")
        ]

    def test_promoting_shows_what_readers_would_get_instead(self, operator, prompts):
        found = experiment(prompts[1], sample=1.0)
        tell(person("ana", APP), "One.")
        said = act(operator, found, "promote", arm=arm(found).public_id)
        after = operator.get(url_of(found)).content.decode()
        assert reverse("admin:reasoning_promptversion_make_live", args=[prompts[0].pk]) in after, "it can be undone"
        for words in (
            "Live now user-1",
            "Becomes live user-2",
            "ana: user-1, then user-2",
            "removed: Control",
            "added: Candidate",
        ):
            assert words in said, words
        assert (found.state, labels.live(found.app_id, "user")) == ("promoted", prompts[1])

    def test_promoting_names_what_is_live_by_now_and_asks_anew_where_that_has_changed(self, operator, prompts):
        found = experiment(prompts[1])
        sent = {"step": "preview", "reason": "Because", "arm": arm(found).public_id}
        looked = operator.post(url_of(found, "promote"), sent)
        labels.move("live", prompt("Better"), reason="Better")
        answer = operator.post(url_of(found, "promote"), {**sent, "token": token_in(looked, "token")})
        for words in ("Live now user-3", "user-1, is live no more", "This has changed since you looked"):
            assert words in plain(answer), words
        operator.post(url_of(found, "promote"), {**sent, "token": token_in(answer, "token")})
        assert labels.live(found.app_id, "user") == prompts[1]

    def test_with_four_eyes_one_proposes_and_another_promotes(self, client, operator, prompts, settings):
        settings.HONCHO = {**AT_ONCE, "FOUR_EYES": True}
        found = experiment(prompts[1])
        act(operator, found, "promote", arm=arm(found).public_id)
        proposal = Proposal.objects.get()
        assert found.state == "running"
        client.force_login(data.superuser("other"))
        confirm = reverse("admin:memory_proposal_confirm", args=[proposal.pk])
        preview = client.post(confirm, {"step": "preview", "reason": "Seen"})
        assert "Becomes live user-2" in plain(preview)
        client.post(confirm, {"step": "preview", "reason": "Seen", "token": token_in(preview, "token")})
        found.refresh_from_db()
        assert (found.state, labels.live(found.app_id, "user")) == ("promoted", prompts[1])

    def test_a_candidate_of_the_site_cannot_win_for_one_app_and_that_is_said_before(self, operator, prompts):
        found = experiment(prompt("For all", None))
        sent = {"step": "preview", "reason": "Because", "arm": arm(found).public_id}
        assert "it would become live in every app" in plain(operator.post(url_of(found, "promote"), sent))
        assert Experiment.objects.get().state == "running"

    def test_a_share_that_is_not_left_is_refused_before_it_is_confirmed(self, operator, prompts):
        found = experiment(prompts[1], prompt("Other"), share=0.5)
        sent = {"step": "preview", "reason": "Because", "arm": arm(found).public_id, "share": "60"}
        assert "At most 50.00% are left" in plain(operator.post(url_of(found, "ramp"), sent))

    def test_what_has_changed_since_it_was_shown_is_shown_again(self, operator, prompts):
        found = experiment(prompts[1], share=0.5)
        sent = {"step": "preview", "reason": "Because", "arm": arm(found).public_id, "share": "60"}
        preview = operator.post(url_of(found, "ramp"), sent)
        lifecycle.ramp(found, arm(found), 0.2)
        again = operator.post(url_of(found, "ramp"), {**sent, "token": token_in(preview, "token")})
        assert "This has changed since you looked." in plain(again)
        assert arm(found).share == 0.2

    def test_each_act_shows_only_while_it_applies(self, operator, prompts):
        found = lifecycle.create("user", "tone", [Candidate(prompts[1], 1.0)], app=tenants.find_app(APP))

        def offered() -> set[str]:
            said = operator.get(url_of(found)).content.decode()
            return {name for name in (*STEER, "promote") if f'class="honcho-act" href="{url_of(found, name)}"' in said}

        assert offered() == {"start", "ramp"}
        lifecycle.start(found)
        assert offered() == {"ramp", "pause", "promote", "stop"}
        lifecycle.pause(found, arm(found))
        assert offered() == {"ramp", "pause", "resume", "promote", "stop"}
        lifecycle.stop(found)
        assert offered() == set()


class TestPermissions:
    def test_who_may_only_look_sees_no_act_and_no_review(self, client, prompts):
        found = experiment(prompts[1])
        client.force_login(data.staff("view_experiment", "view_representation", name="viewer"))
        said = client.get(url_of(found)).content.decode()
        for name in (*STEER, "promote", "review"):
            assert url_of(found, name) not in said, name
            assert client.get(url_of(found, name)).status_code == REFUSED, name
            assert client.post(url_of(found, name), {"step": "preview"}).status_code == REFUSED, name
        for name in ("samples", "who"):
            assert client.get(url_of(found, name)).status_code == FOUND
        assert ADD not in said
        assert client.get(ADD).status_code == client.post(ADD, {}).status_code == REFUSED

    def test_who_steers_does_not_promote(self, client, prompts):
        found = experiment(prompts[1])
        client.force_login(data.staff("view_experiment", "view_representation", "run_experiments", name="steers"))
        said = client.get(url_of(found)).content.decode()
        assert url_of(found, "ramp") in said
        assert url_of(found, "promote") not in said
        assert client.get(url_of(found, "promote")).status_code == REFUSED
        assert client.get(url_of(found, "review")).status_code == FOUND

    def test_texts_are_for_those_who_may_see_versions(self, client, prompts):
        found = experiment(prompts[1])
        client.force_login(data.staff("view_experiment", "run_experiments", name="steers"))
        for name in ("review", "samples"):
            assert client.get(url_of(found, name)).status_code == REFUSED


def test_pages_make_as_many_queries_for_12_subjects_as_for_3(operator, prompts):
    found = experiment(prompts[1], prompt("Other"), share=0.5, sample=1.0)
    someone(found, arm(found, 0))  # each arm has pairs from the beginning on
    someone(found, arm(found, 1))
    asked = [url_of(found, name) for name in ("change", "review", "samples", "who")]
    asked.append(reverse("admin:reasoning_experiment_changelist"))

    def fill(size: int) -> dict[str, int]:
        for number in range(Subject.objects.count(), size):
            person(f"more-{number}", APP)
        for subject in Subject.objects.filter(versions=0):
            say("One.", user=subject.user.name, app=APP)
        reason()
        assert Representation.objects.count() >= size
        return {url: queries_of(operator, url) for url in asked}

    few = fill(3)
    assert fill(12) == few
    assert max(few.values()) <= 26, few
