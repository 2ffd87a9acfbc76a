"""How long it takes to take every reader elsewhere at once, and what others notice of it meanwhile.

    python -m benchmarks.restoring [--subjects 10000]

Fills an app of the site's database with subjects that have a history (two prompts' versions, statements, evidence, and
a reprocess that is done), then rolls the deployment back, undoes that, and promotes the reprocess. Beside it a process
reads contexts, one appends events, and one takes the lock of a subject as a pass does that publishes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event as Flag
from typing import Any

PAUSE_SECONDS = 3.0
EVENTS, STATEMENTS = 6, 10

_SEED = f"""
CREATE TEMPORARY TABLE seed AS
SELECT n, gen_random_uuid() AS person, gen_random_uuid() AS subject, gen_random_uuid() AS line1,
       gen_random_uuid() AS line2, gen_random_uuid() AS line3, gen_random_uuid() AS v1, gen_random_uuid() AS v2,
       gen_random_uuid() AS v3 FROM generate_series(1, %(subjects)s) n;
INSERT INTO memory_user (id, app_id, name, metadata)
SELECT person, %(app)s, 'user-' || n, '{{}}' FROM seed;
INSERT INTO memory_subject (id, app_id, kind, user_id, head, versions)
SELECT subject, %(app)s, 'user', person, {EVENTS}, 3 FROM seed;
INSERT INTO memory_event (id, app_id, user_id, author_id, origin, kind, content, data, metadata, occurred_at,
       recorded_at, tokens)
SELECT gen_random_uuid(), %(app)s, person, person, 'user', 'message', 'We sail at ' || e, null, '{{}}', now(),
       now(), 5
  FROM seed, generate_series(1, {EVENTS}) e;
INSERT INTO memory_feedentry (event_id, subject_id, position)
SELECT event.id, subject, row_number() OVER (PARTITION BY subject ORDER BY event.id)
  FROM memory_event event JOIN seed ON event.user_id = seed.person;
INSERT INTO memory_line (id, subject_id, recipe, branch, cursor)
SELECT line1, subject, %(first)s, '', {EVENTS} / 2 FROM seed UNION ALL
SELECT line2, subject, %(second)s, '', {EVENTS} FROM seed UNION ALL
SELECT line3, subject, %(third)s, %(branch)s, {EVENTS} FROM seed;
INSERT INTO memory_representation (id, subject_id, line_id, number, parent_id, status, text, line_tokens, card, now,
       short_summary, long_summary, covers_from, covers_to, made_by, reason, gate)
SELECT v.id, subject, v.line, v.number, v.parent, 'published',
       (SELECT string_agg('- Statement ' || s || ' of user-' || n || ', who sails at noon and has for long.', E'\\n')
          FROM generate_series(1, {STATEMENTS} * 2) s),
       array_fill(18, ARRAY[{STATEMENTS} * 2]), '{{}}', 'Sails.', '', '', v.a, v.b, '{{}}', '', ''
  FROM seed CROSS JOIN LATERAL (VALUES (v1, line1, 1, null::uuid, 0, {EVENTS} / 2),
       (v2, line2, 2, v1, {EVENTS} / 2, {EVENTS}), (v3, line3, 3, null, 0, {EVENTS}))
       v (id, line, number, parent, a, b);
CREATE TEMPORARY TABLE said AS
SELECT subject, line1, line2, line3, n, s, gen_random_uuid() AS id FROM seed, generate_series(1, {STATEMENTS} * 2) s;
INSERT INTO memory_conclusion (id, subject_id, content, fingerprint, level, importance)
SELECT id, subject, 'Statement ' || s || ' of user-' || n, md5(subject::text || s), 'explicit', 3 FROM said;
INSERT INTO memory_span (line_id, conclusion_id, since, reason)
SELECT line1, id, 1, '' FROM said WHERE s <= {STATEMENTS} UNION ALL SELECT line2, id, 2, '' FROM said UNION ALL
SELECT line3, id, 3, '' FROM said WHERE s %% 2 = 0;
INSERT INTO memory_evidence (conclusion_id, event_id, representation_id)
SELECT DISTINCT ON (said.id) said.id, entry.event_id, seed.v1 FROM said JOIN seed USING (subject)
  JOIN memory_feedentry entry ON entry.subject_id = said.subject;
UPDATE memory_line SET head_id = v1 FROM seed WHERE id = line1;
UPDATE memory_line SET head_id = v2 FROM seed WHERE id = line2;
UPDATE memory_line SET head_id = v3 FROM seed WHERE id = line3;
UPDATE memory_subject subject SET line_id = line1, current_id = v1 FROM seed WHERE subject.id = seed.subject;
UPDATE memory_subject subject SET line_id = line2, current_id = v2 FROM seed WHERE subject.id = seed.subject;
INSERT INTO reasoning_work (line_id, app_id, kind, state, waiting_events, waiting_tokens, leased_by, attempts,
       last_failure, last_error, follows, bulk, run_id)
SELECT line2, %(app)s, 'user', 'idle', 0, 0, '', 0, '', '', false, false, null FROM seed UNION ALL
SELECT line3, %(app)s, 'user', 'idle', 0, 0, '', 0, '', '', true, true, %(run)s FROM seed;
INSERT INTO reasoning_reprocessitem (run_id, subject_id, line_id, target, state, error)
SELECT %(run)s, subject, line3, {EVENTS}, 'ready', '' FROM seed;
DROP TABLE seed; DROP TABLE said;
"""


def main() -> None:
    """Fill, measure each act, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10_000)
    options = parser.parse_args()
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    django.setup()
    from reasoning import rollbacks
    from reasoning.reprocessing import lifecycle

    app, version, run = fill(options.subjects)
    made: list[Any] = []
    acts: list[tuple[str, Callable[[], Any]]] = [
        ("plan a rollback", lambda: rollbacks.plan(version, app=app)),
        ("roll back", lambda: made.append(rollbacks.roll_back(version, app=app, reason="measured"))),
        ("undo it", lambda: rollbacks.undo(made[0], reason="measured")),
        ("promote a reprocess", lambda: lifecycle.promote(run, reason="measured")),
    ]
    print(f"{options.subjects:,} subjects, each with {EVENTS} events, 3 versions and {STATEMENTS * 2} statements")
    columns = ("read p50", "p99", "worst", "append p50", "p99", "worst", "lock p50", "worst")
    print(f"{'':<22}{'seconds':>9}" + "".join(f"{name:>11}" for name in columns) + "   (milliseconds)")
    alone = beside(app.name, options.subjects, lambda: time.sleep(PAUSE_SECONDS))
    show("(nothing)", alone)
    for name, act in acts:
        show(name, beside(app.name, options.subjects, act))


def fill(subjects: int) -> tuple[Any, Any, Any]:
    """Return an app that has so many subjects, the prompt version that made what they are served, and a done run."""
    from django.db import connection, transaction

    from memory import clock, tenants
    from reasoning import labels, prompt_versions
    from reasoning.models import Reprocess

    app, _ = tenants.make_app(f"restoring-{time.time_ns()}")
    versions = [
        prompt_versions.create("user", f"Know {{subject}}, {number}.", message="measured", app=app)
        for number in range(3)
    ]
    for version in versions[:2]:
        labels.move("live", version, reason="measured")
    run = Reprocess.objects.create(
        app=app, prompt_version=versions[2], state=Reprocess.State.DONE, reason="measured", started_at=clock.now()
    )
    with transaction.atomic(), connection.cursor() as cursor:
        values = {"subjects": subjects, "app": app.pk, "run": run.pk, "branch": run.public_id}
        recipes = dict(zip(("first", "second", "third"), (version.recipe for version in versions), strict=True))
        for statement in _SEED.split(";\n")[:-1]:
            cursor.execute(statement, values | recipes)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return app, versions[1], run


def beside(app: str, subjects: int, act: Callable[[], Any]) -> tuple[float, dict[str, list[float]]]:
    """Return how long an act took, and what reads, appends and locks took meanwhile, in milliseconds."""
    context = multiprocessing.get_context("spawn")
    ready, stop = [context.Event() for _ in WATCHERS], context.Event()
    pipes = []
    for name, flag in zip(WATCHERS, ready, strict=True):
        ours, theirs = context.Pipe(duplex=False)
        context.Process(target=watch, args=(name, app, subjects, flag, stop, theirs), daemon=True).start()
        pipes.append(ours)
    for flag in ready:
        flag.wait()
    begun = time.time()
    act()
    ended = time.time()
    stop.set()
    taken = {}
    for name, pipe in zip(WATCHERS, pipes, strict=True):
        taken[name] = [1_000 * took for started, took in pipe.recv() if begun <= started + took and started <= ended]
    return ended - begun, taken


def watch(name: str, app: str, subjects: int, ready: Flag, stop: Flag, pipe: Any) -> None:
    """Do one thing again and again until told to stop; send when each began and how long it took, in seconds."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    django.setup()
    dice, found = random.Random(name), []
    once = WATCHERS[name]
    once(app, "user-1")
    ready.set()
    while not stop.is_set():
        user = f"user-{dice.randint(1, subjects)}"
        started, clock = time.time(), time.perf_counter()
        once(app, user)
        found.append((started, time.perf_counter() - clock))
        time.sleep(0.005)
    pipe.send(found)


def read(app: str, user: str) -> None:
    """Read what an agent reads."""
    from memory import reading

    reading.context(app, user)


def append(app: str, user: str) -> None:
    """Write one event."""
    from memory import log

    log.append(app, [log.NewEvent(content="We sail.")], user=user)


def lock(app: str, user: str) -> None:
    """Take a subject's lock and give it back, as a pass does that publishes."""
    from django.db import transaction

    from memory import feeds
    from memory.models import Subject

    key = Subject.objects.values_list("pk", flat=True).get(app__name=app, user__name=user)
    with transaction.atomic():
        feeds.lock_subject(key)


WATCHERS: dict[str, Callable[[str, str], None]] = {"read": read, "append": append, "lock": lock}


def show(name: str, measured: tuple[float, dict[str, list[float]]]) -> None:
    """Print a line."""
    seconds, taken = measured

    def at(values: list[float], share: float) -> str:
        return f"{sorted(values)[int(share * (len(values) - 1))]:>11.1f}" if values else f"{'-':>11}"

    reads, appends, locks = (taken[watcher] for watcher in WATCHERS)
    print(
        f"{name:<22}{seconds:>9.2f}"
        + "".join(at(reads, share) for share in (0.5, 0.99, 1))
        + "".join(at(appends, share) for share in (0.5, 0.99, 1))
        + "".join(at(locks, share) for share in (0.5, 1))
    )


if __name__ == "__main__":
    main()
