"""Events of any kind: writing them and reading the log."""

import pytest

from memory.models import Event, Project, User
from tests.api.conftest import Agent, path_of, refused
from tests.factories import ApiKeyFactory, AppFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory


def test_one_event_answers_one_event(operator: Agent) -> None:
    session = SessionFactory()
    made = operator.post(
        f"{path_of(session)}/events",
        {
            "kind": "invoice.sent",
            "content": "March",
            "data": {"amount": 12.5},
            "metadata": {"m": 1},
            "id": "inv-3",
            "occurred_at": "2026-03-31T10:00:00Z",
            "project": "billing",
        },
    )
    event = Event.objects.get()
    recorded = made.pop("recorded_at")
    assert recorded == event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert made == {
        "id": event.public_id,
        "client_id": "inv-3",
        "kind": "invoice.sent",
        "content": "March",
        "data": {"amount": 12.5},
        "metadata": {"m": 1},
        "author": session.owner.name,
        "origin": "user",
        "app_id": session.app.public_id,
        "session_id": session.public_id,
        "user_id": session.owner.public_id,
        "project_id": Project.objects.get(name="billing").public_id,
        "occurred_at": "2026-03-31T10:00:00.000000Z",
        "token_count": event.tokens,
        "created": True,
    }


def test_a_list_answers_a_list_and_says_what_was_there(operator: Agent) -> None:
    events = f"{path_of(SessionFactory())}/events"
    first = {"content": "a", "id": "1"}
    operator.post(events, first)
    made = operator.post(events, [first, {"content": "b", "author": "bob", "is_user": False}])
    assert [(item["content"], item["created"], item["origin"]) for item in made] == [
        ("a", False, "user"),
        ("b", True, "agent"),
    ]
    assert made[1]["author"] == "bob"
    assert Event.objects.count() == 2


def test_events_without_a_session(operator: Agent) -> None:
    app = AppFactory()
    of_user = operator.post(f"/v1/apps/{app.name}/users/ann/events", {"content": "likes tea"})
    assert (of_user["session_id"], of_user["author"]) == (None, "ann")
    of_project = operator.post(f"/v1/apps/{app.name}/projects/web/events", [{"content": "began", "author": "bob"}])
    assert (of_project[0]["user_id"], of_project[0]["author"]) == (None, "bob")
    assert of_project[0]["project_id"] == Project.objects.get(name="web").public_id
    assert set(User.objects.values_list("name", flat=True)) == {"ann", "bob"}


def test_a_list_is_all_or_nothing_and_the_field_is_named(operator: Agent) -> None:
    events = f"{path_of(SessionFactory())}/events"
    response = operator.send("POST", events, [{"content": "a", "author": "new"}, {"content": "b", "kind": "Odd Kind"}])
    detail = refused(response, 422, "invalid")
    assert (detail[0]["loc"], detail[0]["input"]) == (["body", 1, "kind"], "Odd Kind")
    detail = refused(operator.send("POST", events, {"contents": "a"}), 422, "invalid")
    assert detail[0]["loc"] == ["body", "contents"]
    assert detail[0]["msg"] == "There is no such field. Did you mean 'content'?"
    assert not Event.objects.exists()
    assert not User.objects.filter(name="new").exists()


def test_a_thousand_events_at_most(operator: Agent) -> None:
    events = f"{path_of(SessionFactory())}/events"
    assert len(operator.post(events, [{"content": "x"}] * 1000)) == 1000
    refused(operator.send("POST", events, [{"content": "x"}] * 1001), 413, "too_large")
    assert Event.objects.count() == 1000


@pytest.mark.parametrize("event", [{"origin": "operator"}, {"kind": "correction"}])
def test_only_operators_correct(operator: Agent, event: dict[str, str]) -> None:
    session = SessionFactory()
    events = f"{path_of(session)}/events"
    for scope in ("app", "user", "session"):
        thing = {"app": session.app, "user": session.owner, "session": session}[scope]
        agent = Agent(ApiKeyFactory(**{scope: thing}).key)
        refused(agent.send("POST", events, {"content": "x", **event}), 403, "operator_only")
    assert not Event.objects.exists()
    assert operator.post(events, {"content": "x", **event})["created"] is True


def test_is_user_and_origin_are_one_thing(operator: Agent) -> None:
    events = f"{path_of(SessionFactory())}/events"
    detail = refused(
        operator.send("POST", events, {"content": "x", "is_user": True, "origin": "agent"}), 422, "invalid"
    )
    assert detail[0]["loc"] == ["body", "is_user"]


def test_the_log_page_by_page(operator: Agent) -> None:
    session = SessionFactory()
    written = [EventFactory(session=session) for _ in range(5)]
    events = f"{path_of(session)}/events"
    seen, cursor = [], ""
    while True:
        page = operator.get(f"{events}?limit=2{cursor}")
        seen.append([item["id"] for item in page["items"]])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [[written[0].public_id, written[1].public_id], [written[2].public_id, written[3].public_id],
                    [written[4].public_id]]  # fmt: skip
    newest = operator.get(f"{events}?limit=3&reverse=true")
    assert [item["id"] for item in newest["items"]] == [event.public_id for event in written[:1:-1]]
    rest = operator.get(f"{events}?limit=3&reverse=true&cursor={newest['next_cursor']}")
    assert [item["id"] for item in rest["items"]] == [written[1].public_id, written[0].public_id]
    assert rest["next_cursor"] is None


def test_the_log_filtered(operator: Agent) -> None:
    session = SessionFactory()
    old = EventFactory(session=session, occurred_at="2026-01-01T00:00:00Z")
    call = EventFactory(session=session, kind="tool_call", occurred_at="2026-01-02T00:00:00Z")
    bobs = EventFactory(session=session, author="bob", occurred_at="2026-01-03T00:00:00Z")
    events = f"{path_of(session)}/events"

    def found(query: str) -> list[str]:
        return [item["id"] for item in operator.get(f"{events}?{query}")["items"]]

    assert found("kind=tool_call") == [call.public_id]
    assert found("author=bob") == [bobs.public_id]
    assert found(f"author={bobs.author.public_id}") == [bobs.public_id]
    assert found("since=2026-01-02T00:00:00Z") == [call.public_id, bobs.public_id]
    assert found("until=2026-01-02T00:00:00+00:00") == [old.public_id]
    assert found("kind=nothing.such") == []
    refused(operator.send("GET", f"{events}?author=carol"), 404, "not_found")


def test_the_log_of_a_user_and_of_a_project(operator: Agent) -> None:
    user = UserFactory()
    project = ProjectFactory(app=user.app)
    in_session = EventFactory(session=SessionFactory(owner=user), project=project.name)
    EventFactory(session=SessionFactory(owner=UserFactory(app=user.app)))
    for thing in (user, project):
        page = operator.get(f"{path_of(thing)}/events")
        assert [item["id"] for item in page["items"]] == [in_session.public_id]


def test_reading_the_log_asks_two_questions(operator: Agent, django_assert_num_queries) -> None:
    session = SessionFactory()
    operator.post(f"{path_of(session)}/events", [{"content": "x", "author": f"u{n}"} for n in range(20)])
    with django_assert_num_queries(2):
        assert len(operator.get(f"{path_of(session)}/events")["items"]) == 20
