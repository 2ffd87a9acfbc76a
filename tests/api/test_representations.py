"""The structured form, its history and the way back."""

from typing import Any

from memory import publishing, quarantine, tenants
from memory.models import Representation
from tests.api.conftest import Agent, path_of, publish, refused
from tests.factories import ApiKeyFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory


def test_representation_of_a_user(operator: Agent) -> None:
    event = EventFactory()
    made = publish(
        event.user, ["Prefers Python."], [event], now="Busy.", card=["Name: Ann"], made_by={"model": "m"},
        short_summary="Short.", long_summary="Long.",
    )  # fmt: skip
    answered = operator.get(f"{path_of(event.user)}/representation")
    conclusion = publishing.spans_at(made)[0].conclusion
    assert answered.pop("as_of") == event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert answered.pop("created_at") == made.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert answered == {
        "subject": {"kind": "user", "id": event.user.public_id, "name": event.user.name},
        "text": f"Busy.\nShort.\n## Facts\nName: Ann\n## So far\nLong.\n## Known of {event.user.name}\nPrefers Python",
        "version": 1,
        "behind": {"events": 0, "seconds": 0.0},
        "card": ["Name: Ann"],
        "now": "Busy.",
        "summary": {"short": "Short.", "long": "Long."},
        "conclusions": [
            {
                "id": conclusion.public_id,
                "content": "Prefers Python.",
                "level": "explicit",
                "about": None,
                "held_from": None,
                "held_until": None,
                "importance": 3,
                "pinned": False,
                "since_version": 1,
                "sources": [event.public_id],
            }
        ],
        "made_by": {"model": "m"},
    }


def test_representation_of_a_session_of_a_project_and_as_another_sees(operator: Agent) -> None:
    session = SessionFactory()
    project = ProjectFactory(app=session.app)
    bob = UserFactory(app=session.app)
    tenants.join(session, bob, observes_others=True)
    publish(session, now="Of the session.")
    publish(project, now="Of the project.")
    publish(session.owner, now="As Bob sees.", observer=bob)
    assert operator.get(f"{path_of(session)}/representation")["text"] == "Of the session."
    of_project = operator.get(f"{path_of(project)}/representation")
    assert of_project["subject"] == {"kind": "project", "id": project.public_id, "name": project.name}
    seen = operator.get(f"{path_of(session.owner)}/representation?observer={bob.name}")
    assert seen["text"] == "As Bob sees."
    assert seen["subject"]["kind"] == "observed"
    assert seen["subject"]["observer"] == {"id": bob.public_id, "name": bob.name}
    detail = refused(operator.send("GET", f"{path_of(project)}/representation?observer={bob.name}"), 422, "invalid")
    assert detail[0]["loc"] == ["query", "observer"]


def test_representation_before_anything_is_concluded(operator: Agent) -> None:
    user = UserFactory()
    answered = operator.get(f"{path_of(user)}/representation")
    assert (answered["version"], answered["text"], answered["conclusions"], answered["made_by"]) == (None, "", [], None)


def test_the_questions_do_not_grow_with_what_is_known(operator: Agent, django_assert_num_queries: Any) -> None:
    event = EventFactory()
    publish(event.user, [f"Fact {n}." for n in range(100)], [event])
    path = f"{path_of(event.user)}/representation"
    with django_assert_num_queries(3):  # one of them for the key
        assert len(operator.get(path)["conclusions"]) == 100


def history(event: Any) -> tuple[Representation, Representation]:
    """Make two versions of a user: the second says one thing more and one thing no longer."""
    first = publish(event.user, ["Lives in Rome.", "Is a nurse."], [event], made_by={"pass": "1"})
    rome = publishing.spans_at(first)[1].conclusion
    assert rome.content == "Lives in Rome."
    new = publishing.NewConclusion(content="Lives in Oslo.", evidence=[event.pk])
    line = first.line
    line.refresh_from_db()
    second = publishing.publish(
        line.pk,
        publishing.Draft(
            parent_id=first.pk,
            covers_from=line.cursor,
            covers_to=line.cursor,
            added=[new],
            retired=[publishing.Retired(conclusion_id=rome.pk, reason="Moved", replaced_by=0)],
        ),
    )
    return first, second


def test_versions_newest_first(operator: Agent) -> None:
    event = EventFactory()
    first, second = history(event)
    path = f"{path_of(event.user)}/representation/versions"
    page = operator.get(path)
    assert page["next_cursor"] is None
    newest, oldest = page["items"]
    assert oldest == {
        "version": 1,
        "status": "published",
        "created_at": first.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "as_of": event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "made_by": {"pass": "1"},
        "current": False,
        "by": "",
        "covers": {"from": 0, "to": 1, "events": 1},
        "added": 2,
        "retired": 0,
        "reason": "",
        "parent": None,
        "thinned": False,
    }
    assert (newest["version"], newest["added"], newest["retired"], newest["parent"]) == (second.number, 1, 1, 1)
    assert newest["covers"] == {"from": 1, "to": 1, "events": 0}
    assert newest["current"]


def test_versions_page_by_page(operator: Agent, django_assert_num_queries: Any) -> None:
    user = UserFactory()
    for n in range(5):
        publish(user, now=f"Version {n}.")
    path = f"{path_of(user)}/representation/versions"
    first = operator.get(f"{path}?limit=2")
    assert [item["version"] for item in first["items"]] == [5, 4]
    with django_assert_num_queries(3):
        rest = operator.get(f"{path}?limit=100&cursor={first['next_cursor']}")
    assert [item["version"] for item in rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None


def test_one_version_with_what_it_changed(operator: Agent) -> None:
    event = EventFactory()
    _, second = history(event)
    answered = operator.get(f"{path_of(event.user)}/representation/versions/2")
    assert answered["text"] == second.text == f"## Known of {event.user.name}\nIs a nurse\nLives in Oslo"
    assert [(item["content"], item["sources"]) for item in answered["added"]] == [("Lives in Oslo.", [event.public_id])]
    added = answered["added"][0]["id"]
    assert [(item["content"], item["reason"], item["replaced_by"]) for item in answered["retired"]] == [
        ("Lives in Rome.", "Moved", added)
    ]
    refused(operator.send("GET", f"{path_of(event.user)}/representation/versions/3"), 404, "not_found")


def test_sources_are_those_known_by_then(operator: Agent) -> None:
    event = EventFactory()
    publish(event.user, ["Is a nurse."], [event])
    later = EventFactory(session=event.session)
    publish(event.user, ["Is a nurse."], [later])
    path = f"{path_of(event.user)}/representation"
    assert operator.get(f"{path}?version=1")["conclusions"][0]["sources"] == [event.public_id]
    assert operator.get(path)["conclusions"][0]["sources"] == [event.public_id, later.public_id]


def test_a_quarantined_version_is_history_but_never_read(operator: Agent) -> None:
    event = EventFactory()
    first = publish(event.user, ["Is a nurse."], [event])
    line = first.line
    line.refresh_from_db()
    draft = publishing.Draft(parent_id=first.pk, covers_from=line.cursor, covers_to=line.cursor, now="Nonsense.")
    publishing.quarantine(line.pk, draft, "Cut off")
    path = f"{path_of(event.user)}/representation"
    assert operator.get(path)["version"] == 1
    refused(operator.send("GET", f"{path}?version=2"), 404, "not_found")
    newest = operator.get(f"{path}/versions")["items"][0]
    assert (newest["version"], newest["status"], newest["reason"]) == (2, "quarantined", "Cut off")


def stopped(event: Any) -> str:
    """Make a version, and then one that a gate stops; return the path of the versions."""
    line = publish(event.user, ["Is a nurse."], [event]).line
    line.refresh_from_db()
    draft = publishing.Draft(
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=line.cursor,
        added=[publishing.NewConclusion(content="The HORSE is a password.", evidence=[event.pk])],
        card=["HORSE"],
        now="HORSE",
        short_summary="HORSE",
        long_summary="HORSE",
        made_by={"model": "m"},
    )
    publishing.quarantine(line.pk, draft, "It holds a secret.", "secrets")
    return f"{path_of(event.user)}/representation/versions"


def test_what_a_quarantined_version_says_is_for_no_agent(operator: Agent) -> None:
    event = EventFactory()
    path = stopped(event)
    quarantined = Representation.objects.get(number=2)
    assert "HORSE" in quarantined.text
    for key in (
        ApiKeyFactory(app=event.user.app),
        ApiKeyFactory(app=event.user.app, read_only=True),
        ApiKeyFactory(user=event.user),
    ):
        answered = Agent(key.key).get(f"{path}/2")
        assert answered == {
            "version": 2,
            "status": "quarantined",
            "created_at": quarantined.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "as_of": event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "made_by": {"model": "m"},
            "current": False,
            "by": "",
            "covers": {"from": 1, "to": 1, "events": 0},
            "added": [],
            "retired": [],
            "reason": "It holds a secret.",
            "parent": 1,
            "thinned": False,
            "text": "",
            "card": [],
            "now": "",
            "summary": {"short": "", "long": ""},
        }
        assert "HORSE" not in str(Agent(key.key).get(path))
        assert Agent(key.key).get(f"{path}/1")["text"] == f"## Known of {event.user.name}\nIs a nurse"


def test_an_operators_key_reads_what_a_quarantined_version_says(operator: Agent) -> None:
    event = EventFactory()
    answered = operator.get(f"{stopped(event)}/2")
    known = f"## Known of {event.user.name}\nThe HORSE is a password"
    assert answered["text"] == f"HORSE\nHORSE\n## Facts\nHORSE\n{known}"
    assert (answered["card"], answered["now"]) == (["HORSE"], "HORSE")
    assert answered["summary"] == {"short": "HORSE", "long": "HORSE"}


def test_a_quarantined_version_that_was_published_is_read_as_the_new_one(operator: Agent) -> None:
    event = EventFactory()
    path = stopped(event)
    made = quarantine.publish(Representation.objects.get(number=2), reason="It is a horse.", by="olga")
    agent = Agent(ApiKeyFactory(user=event.user).key)
    assert "The HORSE is a password" in agent.get(f"{path_of(event.user)}/context")["context"]
    answered = agent.get(f"{path}/{made.number}")
    assert [item["content"] for item in answered["added"]] == ["The HORSE is a password."]
    assert answered["made_by"] == {"model": "m", "published_from": 2, "by": "olga"}
    assert agent.get(f"{path}/2")["text"] == ""


def test_rollback_makes_a_new_version_that_equals_the_old(operator: Agent) -> None:
    event = EventFactory()
    history(event)
    path = f"{path_of(event.user)}/representation"
    before = operator.get(f"{path}?version=1")
    key = ApiKeyFactory(app=event.user.app)
    answered = Agent(key.key).post(f"{path}/rollback", {"to": 1, "reason": "Oslo was a joke"})
    assert (answered["version"], answered["text"]) == (3, before["text"])
    assert [item["content"] for item in answered["conclusions"]] == ["Is a nurse.", "Lives in Rome."]
    assert answered["made_by"] == {"rolled_back_to": 1, "by": f"key {key.public_id}"}
    assert operator.get(path)["version"] == 3
    newest = operator.get(f"{path}/versions/3")
    assert (newest["reason"], newest["by"], newest["current"]) == ("Oslo was a joke", f"key {key.public_id}", True)
    assert [item["content"] for item in newest["added"]] == ["Lives in Rome."]
    assert [item["content"] for item in newest["retired"]] == ["Lives in Oslo."]


def test_rollback_takes_an_apps_key_that_may_write(operator: Agent) -> None:
    event = EventFactory()
    history(event)
    path = f"{path_of(event.user)}/representation/rollback"
    body = {"to": 1, "reason": "x"}
    of_user = Agent(ApiKeyFactory(user=event.user).key)
    refused(of_user.send("POST", path, body), 401, "out_of_scope")
    reader = Agent(ApiKeyFactory(app=event.user.app, read_only=True).key)
    refused(reader.send("POST", path, body), 403, "read_only")
    assert Representation.objects.count() == 2


def test_rollback_says_what_is_wrong(operator: Agent) -> None:
    event = EventFactory()
    history(event)
    path = f"{path_of(event.user)}/representation/rollback"
    for body, where in [
        ({"to": 1}, "reason"),
        ({"to": 1, "reason": " "}, "reason"),
        ({"to": 1, "reason": "\x00"}, "reason"),
        ({"reason": "x"}, "to"),
        ({"to": "1", "reason": "x"}, "to"),
        ({"to": True, "reason": "x"}, "to"),
        ({"to": 0, "reason": "x"}, "to"),
        ({"to": 10**30, "reason": "x"}, "to"),
        ({"to": 1, "reason": "x", "than": "stay"}, "than"),
    ]:
        assert refused(operator.send("POST", path, body), 422, "invalid")[0]["loc"] == ["body", where]
    refused(operator.send("POST", path, {"to": 7, "reason": "x"}), 404, "not_found")
    assert Representation.objects.count() == 2
