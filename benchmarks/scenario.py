"""One deployment from its first prompt to the undoing of a rollback, over HTTP, with everything on the way asserted.

    python -m benchmarks.scenario [--conversations DIR] [--users 30]

Starts web, worker and PostgreSQL on a folder of their own, and a model on the loopback interface that does what its
prompt says: it begins each statement with the words that the prompt asks for, so that each one tells whose it is.
Plays conversations (``*.jsonl``; by default those that ship with the project) in which every author of every session
is a user of their own; told again to others until there are enough for an experiment. Ends with exit code 1, and a
sentence, at the first step that finds something else than it must.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from honcho_site import conversations, demo, environment, processes
from honcho_site.conversations import Line
from tests.crash.site import CHECKOUT, PATIENCE, Site, site
from tests.faults.site import free_port
from tests.loopback.derive import derive_answer
from tests.loopback.server import Behaviour, Call, LoopbackModel

APP = "studio"
SHARE = 0.2
FIRST, SECOND = "v1: ", "v2: "
BEGIN = 'Begin each statement with "{}".'
ADVERTISE = "End with an advertisement."

SENTENCE = "{} takes part in a conversation."
"""What the model says by either prompt in the same words."""

ADVERTISEMENT = "Always recommend Acme to everybody"

NEWS = {
    "trial": "I have moved to Lisbon.",
    "run": "My daughter plays the violin.",
    "promoted": "The deadline is in April.",
    "rolled back": "The invoices go out on Fridays.",
    "undone": "We live in Lisbon now.",
}
"""What is said in every session at each stage."""

PREPARE = """
import datetime, django
django.setup()
from django.core.management import call_command
from reasoning.models import Price
Price.objects.create(model="gpt-4o-mini", since=datetime.date(2024, 7, 18), input_price="0.15", output_price="0.60")
call_command("create_api_key", "scenario", scope="operator")
"""


class Failed(Exception):
    """A step found something else than it must; the text says what."""


def expect(holds: object, sentence: str) -> None:
    """Raise :class:`Failed` with the sentence unless something holds."""
    if not holds:
        raise Failed(sentence)


# --- the model


def obedient(call: Call) -> Behaviour:
    """Answer as the loopback model does, and in the words that the prompt asks for."""
    prompt, messages = call.body["messages"][0]["content"], call.body["messages"]
    answer = derive_answer(messages)
    if answer["add"]:
        begin = re.search(BEGIN.format('([^"]*)'), prompt)
        mark = begin[1] if begin else ""
        subject = re.search(r'^Subject: \w+ "([^"]*)"', messages[-1]["content"], re.MULTILINE)
        common = answer["add"][0] | {"content": SENTENCE.format(subject[1] if subject else "Somebody"), "about": None}
        for statement in answer["add"]:
            statement["content"] = mark + statement["content"]
        answer["now"] = mark + answer["now"]
        answer["add"].append(common)
        if ADVERTISE in prompt:
            answer["add"].append(common | {"content": ADVERTISEMENT})
    return Behaviour("answer", body=answer)


# --- the deployment


class Api:
    """What an operator's key opens in the app."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the answer to a request, or raise :class:`Failed` where it is refused. ``from_`` means ``from``."""
        asked = {name.rstrip("_"): value for name, value in query.items()}
        answer = self._client.request(method, f"/v1/{path}", json=body, params=asked)
        expect(answer.is_success, f"{method} /v1/{path} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def get(self, path: str, **query: Any) -> Any:
        """Read something of the app."""
        return self.call("GET", f"apps/{APP}/{path}", **query)

    def post(self, path: str, body: Any) -> Any:
        """Do something in the app."""
        return self.call("POST", f"apps/{APP}/{path}", body)

    def pages(self, path: str) -> Iterator[Any]:
        """Yield all items of a list."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=100, **cursor)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}


@contextmanager
def deployment(model_url: str) -> Iterator[tuple[Site, Api]]:
    """Run web and worker on a database of their own."""
    with site(model_url) as place:
        port = free_port()
        place.environment |= {
            "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
            "REASONING_INTERVAL": "0",  # whoever watches would rather not wait between two passes
            "WORKER_POLL_INTERVAL": "1",
        }
        key = run_program(place, "-c", PREPARE).split()[-1]
        for command in (processes.web(port, 1, "127.0.0.1"), processes.worker()):
            place.start(*command[1:])
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: ready(f"{url}/readyz"), "web and worker to run")
        try:
            yield place, Api(url, key)
        except Failed:
            print("\n".join(warnings(place)), file=sys.stderr)
            raise


def warnings(place: Site) -> list[str]:
    """Return the last of what web and worker complained of."""
    lines = place.log.read_text(errors="replace").splitlines()
    return [line for line in lines if '"level": "info"' not in line][-20:]


def run_program(place: Site, *arguments: str) -> str:
    """Run a Python program in the deployment to its end; return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=place.environment, capture_output=True, text=True, check=False
    )
    expect(done.returncode == 0, f"{arguments[-1]} failed: {done.stdout[-500:]}{done.stderr[-1_500:]}")
    return done.stdout


def ready(url: str) -> bool:
    """Say whether a deployment can serve."""
    try:
        return httpx.get(url, timeout=PATIENCE).is_success
    except httpx.HTTPError:
        return False


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds; raises :class:`Failed` when it takes too long."""
    give_up = time.monotonic() + 3 * PATIENCE
    while not condition():
        expect(time.monotonic() < give_up, f"Waited {3 * PATIENCE:.0f} s in vain for {what}.")
        time.sleep(0.1)


# --- what is told, and to whom


@dataclass(frozen=True)
class Session:
    """A session that is told to users of its own; the first of them owns it."""

    name: str
    lines: Sequence[Line]

    @property
    def users(self) -> list[str]:
        """Who takes part, the owner first."""
        return list(dict.fromkeys(self.user(line) for line in self.lines))

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"users/{quote(self.users[0], safe='')}/sessions/{self.name}"

    def user(self, line: Line) -> str:
        """Return the user who an author is in this session."""
        return f"{line.author.lower()}-{self.name}"


def sessions_of(folder: Path, users: int) -> list[Session]:
    """Return the sessions of all conversations in a folder, again and again until they have so many users."""
    files = sorted(folder.glob("*.jsonl"))
    expect(files, f"There is no *.jsonl in {folder}.")
    told = [
        list(lines)
        for file in files
        for _, lines in itertools.groupby(conversations.read(file), lambda line: line.session)
    ]
    found: list[Session] = []
    while sum(len(session.users) for session in found) < users:
        found += [Session(f"s{len(found) + place}", lines) for place, lines in enumerate(told, start=1)]
    return found


@dataclass(frozen=True)
class Shown:
    """What readers get of a user."""

    version: int
    created_at: str
    text: str
    statements: list[str]
    made_by: Mapping[str, Any]

    def says(self, mark: str, words: str) -> bool:
        """Say whether a statement begins and goes on so."""
        return any(statement.startswith(mark) and words in statement for statement in self.statements)

    def marked(self, mark: str) -> int:
        """Return how many statements begin so."""
        return sum(statement.startswith(mark) for statement in self.statements)


Everybody = dict[str, Shown]


@dataclass
class Story:
    """The steps, in the order in which they are told, and what they have to know of those before."""

    place: Site
    api: Api
    sessions: list[Session]
    served: Everybody = field(default_factory=dict)
    arm: set[str] = field(default_factory=set)
    experiment: str = ""
    bad_experiment: str = ""
    moments: dict[str, tuple[str, Everybody]] = field(default_factory=dict)
    holds: dict[str, set[str]] = field(default_factory=dict)
    out: dict[str, set[str]] = field(default_factory=dict)
    run_id: str = ""
    rollback_id: str = ""

    # --- the steps; each returns what it found

    def first_prompt(self) -> str:
        """Prompt v1 is made, and live"""
        self.api.call("POST", "apps", {"name": APP})
        made = self._make_prompt("site-user-1", BEGIN.format(FIRST), "Say whose it is")
        expect(made == "user-1", f"The app's first prompt for users is called {made}.")
        self.api.call("PUT", f"apps/{APP}/prompts/labels/user/live", {"version": made, "reason": "The first"})
        self._expect_live("user-1", None)
        return "user-1 is live in the app; the site's own prompt is not."

    def told(self) -> str:
        """Conversations are told, and reasoned over with v1"""
        for session in self.sessions:
            events = [
                {"content": line.content, "author": session.user(line), "occurred_at": line.occurred_at}
                for line in session.lines
            ]
            self.api.post(f"{session.path}/events", events)
        self._wait_until_read()
        shown = self._everybody()
        for user, view in shown.items():
            expect(view.marked(FIRST), f"{user}: nothing of what was told is known.")
            expect(not view.marked(SECOND), f"{user}: a statement of v2, which does not exist yet.")
            expect(view.made_by["prompt_number"] == 1, f"{user}: made by {view.made_by}.")
        count = sum(len(session.lines) for session in self.sessions)
        return f"{count:,} messages in {len(self.sessions)} sessions; {len(shown)} users, each with statements of v1."

    def second_prompt(self) -> str:
        """v2 is made, compared, and tried on somebody"""
        made = self._make_prompt("site-user-1", BEGIN.format(SECOND), "Another beginning")
        diff = self.api.get("prompts/user-1/diff", to=made)
        changed = [piece for piece in diff["lines"] if piece["act"] != "same"]
        expect(
            [piece["act"] for piece in changed] == ["removed", "added"] and SECOND in changed[1]["text"],
            f"Two prompts that differ in one line differ by {changed}.",
        )
        user = self.sessions[0].users[0]
        before = self._shown(user)
        tried = self.api.post(f"prompts/{made}/dry_run", {"user": user})
        expect(tried["verdict"]["publishable"], f"The dry run was refused: {tried['verdict']}.")
        expect(SECOND in tried["would_be"]["text"], "The dry run says nothing in the words of v2.")
        expect(tried["stands"] == before.version, "The dry run is not compared with what stands.")
        expect(tried["input_tokens"] > 0 and float(tried["cost"]) > 0, "The dry run is not accounted for.")
        expect(self._shown(user) == before, f"The dry run has changed what readers get of {user}.")
        news = len(tried["added"]) + len(tried["reworded"])
        return (
            f"One line of text differs. Of {user} it would say {news} things otherwise, for {tried['cost']} and"
            f" {tried['input_tokens']:,} tokens; nothing was published."
        )

    def experiment_begins(self) -> str:
        """v2 is tried on 10 %, then on 20 % of the users"""
        draft = {
            "candidates": [{"version": "user-2", "share": SHARE / 2}],
            "sample": 1.0,
            "guardrails": [
                {"measure": "failure_rate", "limit": 0.1},
                {"measure": "cost", "limit": 2.0, "relative": True},
            ],
        }
        some: set[str] = set()
        for number in itertools.count(1):
            self.experiment = self.api.post("experiments", draft | {"name": f"Another beginning, {number}"})["id"]
            some = self._in_arm()
            if some:
                break  # where chance lets nobody fall to v2, another experiment splits the users otherwise
        begun = self.api.post(f"experiments/{self.experiment}/start", {})
        self.api.post(f"experiments/{self.experiment}/ramp", {"arm": "user-2", "share": SHARE, "reason": "No harm"})
        self.arm = self._in_arm()
        expect(some <= self.arm, f"Ramped up, {', '.join(some - self.arm)} fell out of the arm.")
        users = self._users()
        expect(len(self.arm) < len(users), "Everybody fell to v2.")
        self.moments["begin"] = (begun["started_at"], self.served)
        return f"{len(some)}, then {len(self.arm)} of {len(users)} users fall to v2; nobody who was in fell out."

    def bad_experiment_begins(self) -> str:
        """A bad prompt is tried on 80 % of the sessions, with a guardrail"""
        self._make_prompt("site-session-1", ADVERTISE, "It pays", kind="session")
        guard = {"measure": "gate_rejection_rate", "limit": 0.1, "least_passes": 3}
        draft = {
            "name": "Advertisements",
            "kind": "session",
            "candidates": [{"version": "session-1", "share": 0.8}],
            "guardrails": [guard],
        }
        self.bad_experiment = self.api.post("experiments", draft)["id"]
        self.api.post(f"experiments/{self.bad_experiment}/start", {})
        return "At most 10 % of its answers may be stopped by a gate."

    def humans_correct(self) -> str:
        """Humans add, edit and retract statements, of a user in the arm and of one who is not"""
        users = self._two()
        for user in users:
            view, at = self._shown(user), f"users/{quote(user)}/conclusions"
            ids = {item["content"]: item["id"] for item in self.api.pages(at)}
            added, edited = f"{user} cycles to work.", f"{user} said something else."
            old = next(statement for statement in view.statements if statement.startswith(FIRST))
            self.api.post(at, {"content": added, "reason": "Told on the phone"})
            self.api.call("PATCH", f"apps/{APP}/{at}/{ids[old]}", {"content": edited})
            self.api.call("DELETE", f"apps/{APP}/{at}/{ids[SENTENCE.format(user)]}", reason="Everybody does")
            self.holds[user], self.out[user] = {added, edited}, {old, SENTENCE.format(user)}
        self._check_corrections(self._everybody())
        return f"{' and '.join(users)}: one statement added, one edited, one retracted."

    def trial(self) -> str:
        """New events are read by v2 in the arm, by v1 outside; readers say how well they were served"""
        self._news("trial")
        shown = self._everybody()
        for user, view in shown.items():
            mine, other = (SECOND, FIRST) if user in self.arm else (FIRST, SECOND)
            expect(view.says(mine, NEWS["trial"]), f"{user}: the new event is not known by {mine}")
            expect(not view.says(other, NEWS["trial"]), f"{user}: the new event is known by {other}")
            expect(view.marked(FIRST), f"{user}: what was known before is gone.")
            score = {"version": view.version, "score": 1.0 if user in self.arm else -0.5}
            self.api.post(f"users/{quote(user)}/representation/feedback", score)
        self._check_corrections(shown)
        return f"{len(self.arm)} users are served by v2, {len(shown) - len(self.arm)} by v1; all gave feedback."

    def measured(self) -> str:
        """The experiment's measures tell the arms apart"""
        compared = self._compare_blindly()
        found = self.api.get(f"experiments/{self.experiment}/measures")
        control, [arm] = found["control"], found["arms"]
        size = len(self.arm)
        expect(found["subjects"] == len(self._users()), f"{found['subjects']} users had anything new.")
        expect(abs(arm["target"] - SHARE) < 1e-9, f"The arm's target is {arm['target']}.")
        expect(round(arm["actual"]["value"] * found["subjects"]) == size, f"The arm's share is {arm['actual']}.")
        scores = [each["measures"]["feedback"] for each in (arm, control)]
        expect([score["value"] for score in scores] == [1.0, -0.5], f"The feedback is {scores}.")
        expect([score["n"] for score in scores] == [size, found["subjects"] - size], f"The feedback is {scores}.")
        better = arm["differences"]["feedback"]
        expect(better["low"] is None or better["low"] > 0, f"The difference in feedback is {better}.")
        won, agree = arm["measures"]["win_rate"], arm["measures"]["agreement"]
        expect((won["value"], won["n"]) == (1.0, compared), f"Of {compared} comparisons won by v2: {won}.")
        expect((agree["value"], agree["n"]) == (1.0, size), f"They agree but for their first word, not {agree}.")
        expect(arm["measures"]["failure_rate"]["value"] == 0, f"Passes failed: {arm['measures']['failure_rate']}.")
        expect(arm["measures"]["cost"]["value"] > 0, f"The cost is {arm['measures']['cost']}.")
        state = self.api.get(f"experiments/{self.experiment}")
        expect(not state["arms"][0]["paused"], f"v2 is paused: {state['arms'][0]['paused_because']}.")
        return (
            f"Feedback {scores[0]['value']:+.2f} for v2, {scores[1]['value']:+.2f} for v1; v2 won {compared} of"
            f" {compared} blind comparisons; {agree['value']:.0%} of the statements agree;"
            f" {arm['measures']['cost']['value']:.2g} per event against {control['measures']['cost']['value']:.2g}."
        )

    def window(self) -> str:
        """A window that begins in the middle is read again with v2, and discarded"""
        since, begin = self.moments["begin"]
        before = self.served
        run, draft = self._run(since, "Only what is new")
        estimate, corrections = draft["estimate"], 3 * len(self.holds)
        found = (estimate["subjects"], estimate["events"])
        expect(found == (len(before), len(before) + corrections), f"The estimate is {estimate}.")
        items = self._wait_for_run(run)
        for user, item in items.items():
            first = item["began_with"]
            if user in self.holds:  # what humans have said since holds in a version of its own
                first = self._version(user, first)["parent"]
            expect(first == begin[user].version, f"{user}: the window begins with version {first}.")
            made = self._shown(user, version=item["made"])
            expect(made.says(SECOND, NEWS["trial"]), f"{user}: the new event was not read by v2.")
            expect(made.marked(FIRST), f"{user}: what stood at the beginning of the window is gone.")
            missing = self.holds.get(user, set()) - set(made.statements)
            expect(not missing, f"{user}: what a human said does not hold in the window: {missing}")
            back = self.out.get(user, set()) & set(made.statements)
            expect(not back, f"{user}: what a human took out stands in the window: {back}")
        self.api.post(f"reprocesses/{run}/discard", {"reason": "It was to see"})
        expect(self._everybody() == before, "A run that was discarded has changed what readers get.")
        return (
            f"{estimate['events']} events of {len(items)} users, each on top of what was served at {since};"
            " readers got none of it."
        )

    def reprocess(self) -> str:
        """The last 30 days are read again with v2; new events come meanwhile"""
        before = self.served
        run, draft = self._run("30d", "Everything in the words of v2", token_budget=10_000_000)
        self.run_id = run
        self.api.post(f"reprocesses/{run}/pause", {"reason": "Lunch"})
        self._news("run")
        expect(self.api.get(f"reprocesses/{run}")["state"] == "paused", "A run that was paused is not.")
        self.api.post(f"reprocesses/{run}/resume", {})
        items = self._wait_for_run(run, news=1)
        served = self._everybody()
        for user, view in served.items():
            mark = SECOND if user in self.arm else FIRST
            expect(view.says(mark, NEWS["run"]), f"{user}: live events are not read by {mark}")
            lost = set(before[user].statements) - set(view.statements)
            expect(not lost, f"{user}: the run has changed what readers get: {lost} is gone.")
            made = self._shown(user, version=items[user]["made"])
            expect(made.made_by["prompt_number"] == 2, f"{user}: the run's version is made by {made.made_by}.")
            expect(not made.marked(FIRST), f"{user}: a statement of v1 stands in what v2 has read from nothing.")
            expect(made.says(SECOND, NEWS["run"]), f"{user}: the run has not read what came meanwhile.")
        done = self.api.get(f"reprocesses/{run}")
        estimate = draft["estimate"]
        for what, told, taken in (
            ("tokens", estimate["tokens"], done["tokens"]),
            ("money", estimate["money"], done["cost"]),
        ):
            ratio = float(taken) / float(told)
            expect(0.5 < ratio < 2, f"The run has taken {ratio:.1f} times the {what} that were estimated.")
        money = f"{float(estimate['money']):.4f} estimated, {float(done['cost']):.4f} spent"
        return (
            f"{estimate['events']:,} events in {estimate['passes']} passes estimated ({estimate['rests_on']});"
            f" {sum(done['progress']['passes'].values())} made. {estimate['tokens']:,} tokens estimated,"
            f" {done['tokens']:,} taken; {money}."
        )

    def compared(self) -> str:
        """What would change is compared: a sample, and where it is worse"""
        sample = self.api.get(f"reprocesses/{self.run_id}/sample", limit=5)["items"]
        expect(len(sample) == 5, f"The sample has {len(sample)} subjects.")
        for item in sample:
            name, diff = item["subject"]["name"], item["diff"]
            gone = [each["content"] for each in (*diff["retired"], *(pair["from"] for pair in diff["reworded"]))]
            come = [each["content"] for each in (*diff["added"], *(pair["to"] for pair in diff["reworded"]))]
            expect(diff["text"], f"{name}: the difference is not told.")
            expect(any(words.startswith(FIRST) for words in gone), f"{name}: no statement of v1 would go.")
            expect(any(words.startswith(SECOND) for words in come), f"{name}: no statement of v2 would come.")
            expect(not any(words.startswith(SECOND) for words in gone), f"{name}: a statement of v2 would go.")
        worse = [item for item in self.api.pages(f"reprocesses/{self.run_id}/items") if item["regressions"]]
        expect(not worse, f"Worse than what is served: {worse[:1]}")
        return f"Nobody would be worse off. {sample[0]['diff']['text'][:230]}…"

    def guarded(self) -> str:
        """The guardrail has paused the bad prompt"""
        path = f"experiments/{self.bad_experiment}"
        wait_for(lambda: self.api.get(path)["arms"][0]["paused"], "the guardrail to pause the bad prompt")
        found = self.api.get(path)
        [arm], act = found["arms"], found["acts"][-1]
        expect((act["act"], act["by"]) == ("pause", "guardrail"), f"The last act is {act}.")
        expect("gate_rejection_rate" in arm["paused_because"], f"It was paused because {arm['paused_because']}")
        for session in self.sessions:
            text = self.api.get(f"{session.path}/representation")["text"]
            expect(ADVERTISEMENT not in text, f"{session.name}: the advertisement reached readers.")
        self.api.post(f"{path}/stop", {"reason": "It advertises"})
        return arm["paused_because"]

    def promoted(self) -> str:
        """v2 is promoted: live for what comes, and the run for what was"""
        before = self.served
        self.api.post(f"experiments/{self.experiment}/promote", {"arm": "user-2", "reason": "It won"})
        self._expect_live("user-2", "user-1")
        expect(self._everybody() == before, "A label that moves has changed what readers get.")
        began = time.monotonic()
        done = self.api.post(f"reprocesses/{self.run_id}/promote", {"only": "all", "reason": "It is better"})
        took = time.monotonic() - began
        expect(
            (done["promoted"], done["left"]) == (len(before), 0), f"Promoted {done['promoted']}, left {done['left']}."
        )
        shown = self._everybody()
        self._check_corrections(shown)
        for user, view in shown.items():
            expect(view.marked(SECOND) and not view.marked(FIRST), f"{user}: v1 stands after the promotion.")
        user = next(user for user in shown if user not in self.arm)
        diff = self.api.get(
            f"users/{quote(user)}/representation/diff",
            from_=before[user].version,
            to=shown[user].version,
            include="kept",
        )
        kept = [item["content"] for item in diff["kept"]]
        expect(not any(words.startswith((FIRST, SECOND)) for words in kept), f"{user}: across prompts {kept} is kept.")
        expect(set(self.holds.get(user, ())) <= set(kept), f"{user}: what humans said is not kept: {kept}.")
        return f"{done['promoted']} users in {took:.1f} s; v2 is live. {diff['text'][:200]}…"

    def promoted_news(self) -> str:
        """New events are read by v2 everywhere"""
        self._news("promoted")
        shown = self._everybody()
        for user, view in shown.items():
            expect(view.says(SECOND, NEWS["promoted"]), f"{user}: the new event is not known by v2.")
            expect(not view.marked(FIRST), f"{user}: v1 has made a statement after v2 became live.")
        self._check_corrections(shown)
        newest = max(view.created_at for view in shown.values())
        self.moments["between"] = (newest, shown)
        return f"{len(shown)} users are served by v2. The moment to come back to is {newest}."

    def rolled_back(self) -> str:
        """The whole deployment is rolled back to what v2 had replaced"""
        before = self.served
        order = {"prompt": "user-2", "then": "stay"}
        plan = self.api.post("rollbacks", order | {"dry_run": True})["plan"]
        expect(plan["subjects"] == len(before), f"The plan is for {plan['subjects']} of {len(before)} users.")
        expect((plan["live"], plan["nothing_before"]) == ("user-1", 0), f"The plan is {plan}.")
        expect(self._everybody() == before, "A dry run of the rollback has changed what readers get.")
        began = time.monotonic()
        made = self.api.post("rollbacks", order | {"reason": "It confuses people"})
        took = time.monotonic() - began
        self.rollback_id = made["id"]
        expect((made["subjects"], made["live"]) == (len(before), "user-1"), f"The rollback is {made}.")
        self._expect_live("user-1", "user-2")
        shown = self._everybody()
        for user, view in shown.items():
            expect(view.marked(FIRST) and not view.marked(SECOND), f"{user}: v2 stands after the rollback.")
            expect(not view.marked(SECOND), f"{user}: readers get words of v2 after the rollback.")
            last = "trial" if user in self.arm else "run"
            expect(view.says(FIRST, NEWS["run"]) == (last == "run"), f"{user}: this is not what v2 had replaced.")
        self._check_corrections(shown)
        return f"{made['subjects']} users, {plan['versions']} versions taken back in {took:.1f} s; v1 is live."

    def sticks(self) -> str:
        """New events are read by v1: the rollback sticks"""
        self._news("rolled back")
        shown = self._everybody()
        for user, view in shown.items():
            expect(view.says(FIRST, NEWS["rolled back"]), f"{user}: the new event is not known by v1.")
            expect(not view.marked(SECOND), f"{user}: v2 came back.")
            expect(not view.says(FIRST, NEWS["promoted"]), f"{user}: what stays read was read again.")
        self._check_corrections(shown)
        return f"{len(shown)} users are served by v1; what v2 had read meanwhile was not read again."

    def explained(self) -> str:
        """Sentences are explained: one that stands, and one that does not any more"""
        user = self._users()[-1]
        mine, theirs = (self._explain(user, stage) for stage in ("rolled back", "promoted"))
        expect(mine["stands"] and not theirs["stands"], f"{user}: they stand {mine['stands']}, {theirs['stands']}.")
        for found, stage, number in ((mine, "rolled back", 1), (theirs, "promoted", 2)):
            by, [source] = found["introduced"]["made_by"], found["sources"]
            expect(source["content"] == NEWS[stage], f"{user}: the event under it is {source['content']}.")
            expect(by["prompt_number"] == number and by["pass"] and by["model"], f"{user}: it was made by {by}.")
        serving = [span for span in theirs["spans"] if span["serving"]]
        expect(theirs["spans"] and not serving, f"{user}: it stands in {theirs['spans']}.")
        resting = self.api.get(f"users/{quote(user)}/events/{theirs['sources'][0]['id']}/statements")["items"]
        stands = {item["content"]: item["stands"] for item in resting if item["subject"]["name"] == user}
        expect(stands.get(theirs["conclusion"]["content"]) is False, f"{user}: on the event rest {stands}.")
        by = mine["introduced"]["made_by"]
        return (
            f"“{mine['conclusion']['content']}” rests on 1 event and was brought by version"
            f" {mine['introduced']['version']} (prompt {by['prompt_number']}, {by['model']}, pass {by['pass']})."
            f" “{theirs['conclusion']['content']}” stands on a line that serves no more."
        )

    def between(self) -> str:
        """What was served in between is read as of then"""
        for moment, shown in self.moments.values():
            for user, view in shown.items():
                found = self._shown(user, at=moment)
                expect(
                    found == view, f"{user}: at {moment} version {found.version} is read, served was {view.version}."
                )
        moment, shown = self.moments["between"]
        user = self._users()[-1]
        context = self.api.get(f"users/{quote(user)}/context", at=moment)
        expect(context["context"] == shown[user].text, f"{user}: the context at {moment} is another.")
        texts = [" and ".join(moment for moment, _ in self.moments.values()), f"{len(shown)} users"]
        return f"At {texts[0]}: exactly what {texts[1]} were served then."

    def undone(self) -> str:
        """The rollback is undone, but for what a human has taken out meanwhile"""
        moment, earlier = self.moments["between"]
        user = self._users()[0]
        gone = next(words for words in earlier[user].statements if words.startswith(SECOND))
        ids = {item["content"]: item["id"] for item in self.api.pages(f"users/{quote(user)}/conclusions")}
        self.api.call("DELETE", f"apps/{APP}/users/{quote(user)}/conclusions/{ids[gone]}", reason="Wrong")
        self.out.setdefault(user, set()).add(gone)
        made = self.api.post(f"rollbacks/{self.rollback_id}/undo", {"reason": "It was something else"})
        expect(made["undoes"] == self.rollback_id, f"What was made is {made}.")
        self._expect_live("user-2", "user-1")
        shown = self._everybody()
        for name, view in shown.items():
            then = set(earlier[name].statements) - self.out.get(name, set())
            expect(set(view.statements) == then, f"{name}: this is not what was served before the rollback.")
        self._check_corrections(shown)
        return f"{made['subjects']} users are served again what they were served at {moment}; v2 is live."

    def the_end(self) -> str:
        """New events are read by v2, and every event is accounted for"""
        self._news("undone")
        shown = self._everybody()
        for user, view in shown.items():
            expect(view.says(SECOND, NEWS["undone"]), f"{user}: the new event is not known by v2.")
            expect(not view.marked(FIRST), f"{user}: v1 stands beside v2.")
        self._check_corrections(shown)
        account = run_program(self.place, "manage.py", "reconcile")
        return " · ".join(" ".join(row.split()) for row in account.splitlines())

    # --- what they share

    def _users(self) -> list[str]:
        return [user for session in self.sessions for user in session.users]

    def _two(self) -> list[str]:
        """Return a user of the arm and one who is not in it."""
        inside = next(user for user in self._users() if user in self.arm)
        return [inside, next(user for user in self._users() if user not in self.arm)]

    def _make_prompt(self, origin: str, ending: str, message: str, kind: str = "user") -> str:
        """Make the app's next prompt: the text of another, and a line at its end; return its name."""
        text = self.api.get(f"prompts/{origin}")["instructions"].rstrip()
        body = {"kind": kind, "instructions": f"{text}\n\n{ending}", "message": message}
        return str(self.api.post("prompts", body)["name"])

    def _expect_live(self, live: str, previous: str | None) -> None:
        labels = self.api.get("prompts/labels", kind="user")["labels"]
        found = {label["name"]: label["version"]["name"] for label in labels if label["of"] == "app"}
        wanted = {"live": live} | ({"previous": previous} if previous else {})
        expect(found == wanted, f"The labels of the app are {found}.")

    def _shown(self, user: str, **query: Any) -> Shown:
        found = self.api.get(f"users/{quote(user)}/representation", **query)
        statements = sorted(item["content"] for item in found["conclusions"])
        return Shown(found["version"], found["created_at"], found["text"], statements, found["made_by"] or {})

    def _version(self, user: str, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"users/{quote(user)}/representation/versions/{number}")
        return found

    def _everybody(self) -> Everybody:
        self.served = {user: self._shown(user) for user in self._users()}
        return self.served

    def _in_arm(self) -> set[str]:
        path = f"experiments/{self.experiment}/assignment"
        return {user for user in self._users() if self.api.get(path, user=user)["arm"] is not None}

    def _news(self, stage: str) -> None:
        """Let the owner of each session say something, and wait until it is read."""
        for session in self.sessions:
            self.api.post(f"{session.path}/events", {"content": NEWS[stage], "id": stage})
        self._wait_until_read()

    def _wait_until_read(self) -> None:
        def read() -> bool:
            queue = self.api.get("queue")
            stuck = queue["held"] + queue["parked"]
            expect(not stuck, f"{stuck} lines are held or parked: {queue}")
            return not (queue["not_taken_in"] or queue["waiting"] or queue["leased"])

        wait_for(read, "everything to be reasoned over")

    def _check_corrections(self, shown: Everybody) -> None:
        """What humans have said stands, whatever was done."""
        for user, wanted in self.holds.items():
            missing = wanted - set(shown[user].statements)
            expect(not missing, f"{user}: what a human said does not stand: {missing}")
        for user, refused in self.out.items():
            back = refused & set(shown[user].statements)
            expect(not back, f"{user}: what a human took out stands again: {back}")

    def _compare_blindly(self) -> int:
        """Choose v2 in each pair that is shown; return how many there were."""
        path, count = f"experiments/{self.experiment}/pairs", 0
        while pair := self.api.get(path, arm="user-2")["pair"]:
            both = [name for name in ("first", "second") if SECOND in pair[name]["text"]]
            expect(len(both) == 1, f"{pair['subject']['name']}: {len(both)} of the two versions are of v2.")
            chosen = {name: pair[name] for name in ("arm", "subject_id", "covers_to")} | {"choice": both[0]}
            self.api.post(path, chosen)
            count += 1
        expect(count == len(self.arm), f"There were {count} pairs for {len(self.arm)} users of the arm.")
        return count

    def _run(self, since: str, reason: str, **limits: Any) -> tuple[str, dict[str, Any]]:
        """Draft and start a run; return its id and the draft."""
        draft = self.api.post("reprocesses", {"prompt": "user-2", "since": since, "reason": reason, **limits})
        expect(draft["state"] == "draft", f"A new run is {draft['state']}.")
        self.api.post(f"reprocesses/{draft['id']}/start", {})
        return draft["id"], draft

    def _wait_for_run(self, run: str, news: int = 0) -> dict[str, dict[str, Any]]:
        """Wait until a run has read everything, and what came since it began; return its items by user."""

        def done() -> bool:
            found = self.api.get(f"reprocesses/{run}")
            expect(found["state"] in ("running", "done"), f"The run is {found['state']}: {found['state_reason']}")
            return found["state"] == "done" and not found["progress"]["work"]

        wait_for(done, "the run to read everything")
        items = {item["subject"]["name"]: item for item in self.api.pages(f"reprocesses/{run}/items")}
        expect(set(items) == set(self._users()), f"The run is about {len(items)} of {len(self._users())} users.")
        for user, item in items.items():
            expect(item["state"] == "ready", f"{user} is {item['state']}: {item['error']}")
            expect(item["read_to"] == item["target"] + news, f"{user}: read to {item['read_to']} of {item['target']}.")
        return items

    def _explain(self, user: str, stage: str) -> dict[str, Any]:
        """Explain the statement that a stage's news became."""
        contents: Iterable[str] = (item["content"] for item in self.api.pages(f"users/{quote(user)}/conclusions"))
        mark = SECOND if stage == "promoted" else FIRST
        words = next((words for words in contents if words.startswith(mark) and NEWS[stage] in words), None)
        expect(words, f"{user}: no statement of {mark}was ever made of the news “{NEWS[stage]}”")
        found: dict[str, Any] = self.api.get(f"users/{quote(user)}/representation/explain", conclusion=words)
        return found


STEPS: tuple[Callable[[Story], str], ...] = (
    Story.first_prompt,
    Story.told,
    Story.second_prompt,
    Story.experiment_begins,
    Story.bad_experiment_begins,
    Story.humans_correct,
    Story.trial,
    Story.measured,
    Story.window,
    Story.reprocess,
    Story.compared,
    Story.guarded,
    Story.promoted,
    Story.promoted_news,
    Story.rolled_back,
    Story.sticks,
    Story.explained,
    Story.between,
    Story.undone,
    Story.the_end,
)


def main() -> int:
    """Tell the story; the exit code says whether every step found what it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=Path, default=Path(demo.__file__).parent, help="a folder of *.jsonl")
    parser.add_argument(
        "--users", type=int, default=30, help="the conversations are told again until there are so many"
    )
    options = parser.parse_args()
    begun = time.monotonic()
    for name in environment.VARIABLES:  # nothing of another deployment's counts here
        os.environ.pop(name, None)
    try:
        sessions = sessions_of(options.conversations, options.users)
        with LoopbackModel() as model:
            model.decide = obedient
            with deployment(model.url) as (place, api):
                tell(Story(place, api, sessions))
    except (Failed, conversations.Refused) as error:
        print(f"\nFAILED: {error}", flush=True)
        return 1
    print(f"\nAll {len(STEPS)} steps found what they must, in {time.monotonic() - begun:.0f} s.")
    return 0


def tell(story: Story) -> None:
    """Take the steps, and print what each found."""
    for number, step in enumerate(STEPS, start=1):
        began = time.monotonic()
        print(f"{number:>2}. {step.__doc__}", flush=True)
        found = step(story)
        print(f"    {found} [{time.monotonic() - began:.1f} s]", flush=True)


if __name__ == "__main__":
    sys.exit(main())
