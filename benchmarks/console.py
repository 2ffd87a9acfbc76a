"""Whether every page of the operator's console stays quick, and reads by indexes, on a large database.

    python -m benchmarks.console [--subjects 20000] [--events 50] [--versions 10] [--keep]

Fills a database of its own on the server of the site's: an app with so many users, each with so many events and
versions, with an experiment on half of them and a reprocess over all; beside it the small world of the tests, in which
each page has something to show. Then it opens every page that the admin knows of, lists with each of their filters and
a search too, as somebody who may do everything, and asks what would come of the acts that touch all of the large app: a
deployment rolled back, a label moved, an experiment ramped and promoted, a reprocess promoted. It prints how many
statements each makes and how long it takes. Each statement is explained as it is made. Scans of tables with more than
10,000 rows are noted. Ends with exit code 1 where one reads more than the 50,000 rows that lists promise to keep to, or
a page takes longer than two seconds (what would come of an act on all subjects: ten).
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

from benchmarks.explaining import Plan, nodes, plan_of

if TYPE_CHECKING:
    from django.db.models import Model

NOTED = 10_001
"""Lists count up to 10,000 rows, and see by one more that there are more."""

MOST_READ = 50_000
"""Searches, and filters that no index serves, look at so many of the newest rows."""

MOST_SECONDS = 2.0

MOST_PREVIEW_SECONDS = 10.0
"""To say what an act on all subjects would do is to go over all of them."""

LARGE = "a large app"
"""First by name, so that it is among the apps that lists offer to be filtered by."""

CHOICES = 3
"""So many choices of each filter are looked at."""

BY_DESIGN = {"/admin/reasoning/work/reconcile/": "it counts every event, within its own time limit"}

_FILL = """
CREATE FUNCTION pg_temp.id_at(steps bigint, seconds int) RETURNS uuid LANGUAGE sql VOLATILE AS $$
SELECT (lpad(to_hex((extract(epoch FROM now() - interval '1 hour' - steps * seconds * interval '1 second') * 1000)
       ::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15)
       )::uuid $$;
CREATE TEMPORARY TABLE seed AS
SELECT n, pg_temp.id_at(back, 1) AS person, pg_temp.id_at(back, 1) AS subject, pg_temp.id_at(back, 1) AS line,
       pg_temp.id_at(back, 1) AS talk
  FROM generate_series(1, %(subjects)s) n, LATERAL (SELECT %(subjects)s - n AS back) ago;
INSERT INTO memory_user (id, app_id, name, metadata) SELECT person, %(app)s, 'user-' || n, '{}' FROM seed;
INSERT INTO memory_session (id, app_id, name, metadata, owner_id)
SELECT talk, %(app)s, 'session-' || n, '{}', person FROM seed;
INSERT INTO memory_subject (id, app_id, kind, user_id, head, versions)
SELECT subject, %(app)s, 'user', person, %(events)s, %(versions)s FROM seed;
CREATE TEMPORARY TABLE said AS
SELECT pg_temp.id_at(%(events)s - place, 86400) AS id, person, subject, talk, place
  FROM seed, generate_series(1, %(events)s) place;
INSERT INTO memory_event (id, app_id, session_id, user_id, author_id, origin, kind, content, data, metadata,
       occurred_at, recorded_at, tokens)
SELECT id, %(app)s, talk, null, person, 'user', 'message', 'We sail at ' || place, null, '{}',
       now() - (%(events)s - place) * interval '1 day', now() - (%(events)s - place) * interval '1 day', 5 FROM said;
INSERT INTO memory_feedentry (event_id, subject_id, position) SELECT id, subject, place FROM said;
INSERT INTO memory_line (id, subject_id, recipe, branch, cursor) SELECT line, subject, %(recipe)s, '', %(events)s
  FROM seed;
CREATE TEMPORARY TABLE made AS
SELECT pg_temp.id_at(%(versions)s - number, 86400) AS id, pg_temp.id_at(%(versions)s - number, 86400) AS pass,
       n, subject, line, number FROM seed, generate_series(1, %(versions)s) number;
INSERT INTO memory_representation (id, subject_id, line_id, number, parent_id, status, text, line_tokens, card, now,
       short_summary, long_summary, covers_from, covers_to, made_by, reason, gate)
SELECT made.id, made.subject, made.line, made.number, before.id, 'published', 'user-' || made.n || ' sails', '{5}',
       '{}', 'Sails.', '', '', (made.number - 1) * %(events)s / %(versions)s,
       made.number * %(events)s / %(versions)s, '{}', '', ''
  FROM made LEFT JOIN made before ON before.subject = made.subject AND before.number = made.number - 1;
INSERT INTO memory_conclusion (id, subject_id, content, fingerprint, level, importance)
SELECT id, subject, 'Statement ' || number || ' of user-' || n, md5(subject::text || number), 'explicit', 3 FROM made;
INSERT INTO memory_span (line_id, conclusion_id, since, reason) SELECT line, id, number, '' FROM made;
INSERT INTO memory_evidence (conclusion_id, event_id, representation_id)
SELECT made.id, said.id, made.id FROM made JOIN said ON said.subject = made.subject AND said.place = made.number;
INSERT INTO reasoning_pass (id, line_id, representation_id, outcome, failure, error, raw, prompt_version_id, provider,
       model, started_at, ended_at, input_tokens, output_tokens, cached_tokens, covers_from, covers_to, worker)
SELECT pass, line, id, 'published', '', '', '', %(version)s, 'loopback', 'loopback',
       now() - (%(versions)s - number) * interval '1 day', now() - (%(versions)s - number) * interval '1 day', 900, 90,
       0, (number - 1) * %(events)s / %(versions)s, number * %(events)s / %(versions)s, '' FROM made;
UPDATE memory_line SET head_id = made.id FROM made WHERE made.line = memory_line.id AND made.number = %(versions)s;
UPDATE memory_subject SET line_id = made.line, current_id = made.id FROM made
 WHERE made.subject = memory_subject.id AND made.number = %(versions)s;
INSERT INTO reasoning_work (line_id, app_id, kind, state, waiting_events, waiting_tokens, leased_by, attempts,
       last_failure, last_error, follows, bulk)
SELECT line, %(app)s, 'user', 'idle', 0, 0, '', 0, '', '', false, false FROM seed;
INSERT INTO reasoning_reprocessitem (run_id, subject_id, line_id, target, state, error)
SELECT %(run)s, subject, null, %(events)s, 'pending', '' FROM seed;
"""


@dataclass
class Watch:
    """Counts the statements of a page, and explains each as it is made."""

    statements: int = 0
    seconds: float = 0.0
    scans: list[tuple[float, str]] = field(default_factory=list)

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        """Make a statement; explain it first where it reads."""
        self.statements += 1
        if sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
            began = time.perf_counter()
            self.scans += scans(plan_of(context["connection"], sql, params, executed=True))
            self.seconds -= time.perf_counter() - began
        return execute(sql, params, many, context)


def scans(plan: Plan) -> list[tuple[float, str]]:
    """Return the rows that a plan reads of tables from their beginning, where they are many, and of which."""
    found = []
    for node in nodes(plan):
        if node["Node Type"] == "Seq Scan":
            read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            if read > NOTED:
                found.append((read, f"{node['Relation Name']}: {read:,.0f} rows, {node.get('Filter', 'no filter')}"))
    return found


def main() -> None:
    """Fill, open every page, print; end with an exit code that says whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="keep the database, and use what an earlier run kept")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("HONCHO_TEST_RUN", "console")
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    logging.disable(logging.WARNING)
    setup_test_environment()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False, keepdb=options.keep)
    try:
        fill(options.subjects, options.events, options.versions)
        wrong = visit()
    finally:
        if not options.keep:
            connection.creation.destroy_test_db("", verbosity=0)
    sys.exit(1 if wrong else 0)


def fill(subjects: int, events: int, versions: int) -> None:
    """Make the small world, and the large app beside it, unless they are there."""
    from django.conf import settings
    from django.db import connection

    from memory import clock, tenants
    from memory.models import App
    from reasoning import labels, prompt_versions
    from reasoning.experiments import lifecycle
    from reasoning.experiments.lifecycle import Candidate
    from reasoning.models import Reprocess
    from tests.admin import data, world
    from tests.loop.helpers import AT_ONCE

    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}
    if App.objects.filter(name=LARGE).exists():
        return
    world.everything()
    data.superuser()
    app, _ = tenants.make_app(LARGE)
    made = [
        prompt_versions.create("user", f"Know {{subject}}, {number}.", message="measured", app=app)
        for number in range(3)
    ]
    labels.move("live", made[0], reason="measured")
    lifecycle.start(lifecycle.create("user", LARGE, [Candidate(made[1], 0.5)], app=app))
    run = Reprocess.objects.create(
        app=app, prompt_version=made[2], state=Reprocess.State.PAUSED, reason="measured", started_at=clock.now(),
        estimate={"subjects": subjects, "events": subjects * events, "passes": subjects, "tokens": 0, "money": None},
    )  # fmt: skip
    values = {
        "subjects": subjects, "events": events, "versions": versions, "app": app.pk, "run": run.pk,
        "recipe": made[0].recipe, "version": made[0].pk,
    }  # fmt: skip
    print(f"Filling: {subjects:,} subjects, {subjects * events:,} events, {subjects * versions:,} versions", flush=True)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger adds anything row by row
        for statement in _FILL.split(";\n")[:-1]:
            cursor.execute(statement, values)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")


def visit() -> list[str]:
    """Open every page, print a line for each, and return what is wrong."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.get(username="operator"))
    wrong = []
    print(f"{'statements':>10} {'ms':>8}  page")
    asked = [(url, partial(client.get, url)) for url in addresses(client)]
    asked += [(f"{url} (preview)", partial(client.post, url, sent)) for url, sent in previews()]
    for url, ask in asked:
        ask()  # what is cached for the process is filled
        watch = Watch()
        began = time.perf_counter()
        with connection.execute_wrapper(watch):
            answer = ask()
        status, shown = answer.status_code, b'name="token"' in answer.content
        seconds = time.perf_counter() - began + watch.seconds
        excused, previewed = BY_DESIGN.get(url, ""), url.endswith("(preview)")
        faults = [said for read, said in watch.scans if read > MOST_READ and not excused]
        most = MOST_PREVIEW_SECONDS if previewed else MOST_SECONDS
        faults += [f"{seconds:.1f} s"] if seconds > most and not excused else []
        faults += [f"status {status}"] if status >= 400 else []
        faults += ["nothing is previewed"] if previewed and not shown else []
        print(f"{watch.statements:>10} {seconds * 1000:>8.0f}  {url}{f' ({excused})' if excused else ''}", flush=True)
        for read, said in watch.scans:
            if read <= MOST_READ:
                print(f"{'':>20}a scan of {said}", flush=True)
        for fault in faults:
            print(f"{'':>20}FAULT {fault}", flush=True)
        wrong += [f"{url}: {fault}" for fault in faults]
    print(f"{len(wrong)} faults")
    return wrong


def addresses(client: Any) -> Iterator[str]:
    """Return the address of every page: lists with each of their filters and a search, the newest and oldest rows."""
    from django.contrib.auth import get_user_model
    from django.http import HttpRequest

    from tests.admin import pages

    user = get_user_model().objects.get(username="operator")
    yield from [*pages.every_page(user, 1), *(url for _, url in pages.forms_of_acts(user))]
    for owner in pages.CONSOLE:
        if not owner.model._meta.managed:
            continue
        oldest = owner.get_queryset(HttpRequest()).order_by("pk").first()
        if oldest is not None:
            yield from pages.pages_of(owner, oldest)
        listed = pages.url_of(owner, "changelist")
        yield from (f"{listed}{query}" for query in filters(client.get(listed).content.decode()))
        if owner.search_fields:
            yield f"{listed}?q=sail"


def previews() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the address of each act that touches all of the large app, and what its form sends."""
    from reasoning.models import Arm, PromptVersion, Reprocess
    from tests.admin import pages

    live, candidate = PromptVersion.objects.filter(app__name=LARGE).order_by("number")[:2]
    arm = Arm.objects.select_related("experiment").get(experiment__app__name=LARGE)
    run = Reprocess.objects.get(app__name=LARGE)
    owners = {owner.model: owner for owner in pages.CONSOLE}
    acts: list[tuple[str, Model, dict[str, Any]]] = [
        ("roll_back", live, {"then": "stay", "live": candidate.pk}),
        ("make_live", candidate, {}),
        ("ramp", arm.experiment, {"arm": arm.public_id, "share": 70}),
        ("promote", arm.experiment, {"arm": arm.public_id}),
        ("promote", run, {"only": "all", "percent": 100, "rest": "left"}),
    ]
    for name, row, sent in acts:
        yield pages.url_of(owners[type(row)], name, row), {"step": "preview", "reason": "measured"} | sent


def filters(text: str) -> list[str]:
    """Return the first choices of each of a list's filters, as the queries of their addresses."""
    found: dict[str, list[str]] = {}
    for query in re.findall(r'<a href="(\?[^"&]+=[^"&]+)"', text):
        chosen = found.setdefault(query.partition("=")[0], [])
        if query not in chosen and len(chosen) < CHOICES:
            chosen.append(query)
    return [unescape(query) for chosen in found.values() for query in chosen]


if __name__ == "__main__":
    main()
