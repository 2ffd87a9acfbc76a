"""Factories of what tests stand on. Each goes through the store's own functions, so that nothing is half made."""

from typing import Any

import factory as _factory

from memory import collections, keys, log, metamessages, tenants
from memory.models import ApiKey, App, Collection, Document, Event, Metamessage, Project, Session, User

factory: Any = _factory
"""Typed as Any: what a factory makes is not the factory."""


class AppFactory(factory.Factory):  # type: ignore[misc]
    """An app."""

    class Meta:
        model = App

    name: Any = factory.Sequence(lambda n: f"app-{n}")
    metadata: Any = factory.LazyFunction(dict)

    @classmethod
    def _create(cls, model_class: type[App], *args: Any, **kwargs: Any) -> App:
        return tenants.make_app(**kwargs, fresh=True)[0]


class UserFactory(factory.Factory):  # type: ignore[misc]
    """A user, in an app of its own unless one is given."""

    class Meta:
        model = User

    app: Any = factory.SubFactory(AppFactory)
    name: Any = factory.Sequence(lambda n: f"user-{n}")
    metadata: Any = factory.LazyFunction(dict)

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return tenants.make_user(**kwargs, fresh=True)[0]


class ProjectFactory(factory.Factory):  # type: ignore[misc]
    """A project, in an app of its own unless one is given."""

    class Meta:
        model = Project

    app: Any = factory.SubFactory(AppFactory)
    name: Any = factory.Sequence(lambda n: f"project-{n}")
    metadata: Any = factory.LazyFunction(dict)

    @classmethod
    def _create(cls, model_class: type[Project], *args: Any, **kwargs: Any) -> Project:
        return tenants.make_project(**kwargs, fresh=True)[0]


class SessionFactory(factory.Factory):  # type: ignore[misc]
    """A session of ``owner``."""

    class Meta:
        model = Session

    owner: Any = factory.SubFactory(UserFactory)
    name: Any = factory.Sequence(lambda n: f"session-{n}")
    metadata: Any = factory.LazyFunction(dict)
    project: Any = None

    @classmethod
    def _create(cls, model_class: type[Session], *args: Any, **kwargs: Any) -> Session:
        owner = kwargs["owner"]
        return tenants.make_session(owner.app, fresh=True, **kwargs)[0]


class EventFactory(factory.Factory):  # type: ignore[misc]
    """An event in ``session``, appended to the log; other fields are those of ``memory.log.NewEvent``."""

    class Meta:
        model = Event

    session: Any = factory.SubFactory(SessionFactory)
    content: Any = factory.Sequence(lambda n: f"This is message {n}.")

    @classmethod
    def _create(cls, model_class: type[Event], *args: Any, **kwargs: Any) -> Event:
        session = kwargs.pop("session")
        new = [log.NewEvent(**kwargs)]
        logged = log.append(session.app, new, user=session.owner, session=session)
        return Event.objects.get(pk=logged[0].id)


class CollectionFactory(factory.Factory):  # type: ignore[misc]
    """A collection of ``user``."""

    class Meta:
        model = Collection

    user: Any = factory.SubFactory(UserFactory)
    name: Any = factory.Sequence(lambda n: f"collection-{n}")
    metadata: Any = factory.LazyFunction(dict)

    @classmethod
    def _create(cls, model_class: type[Collection], *args: Any, **kwargs: Any) -> Collection:
        return collections.make(**kwargs)


class DocumentFactory(factory.Factory):  # type: ignore[misc]
    """A document of ``collection``."""

    class Meta:
        model = Document

    collection: Any = factory.SubFactory(CollectionFactory)
    content: Any = factory.Sequence(lambda n: f"This is document {n}.")
    metadata: Any = factory.LazyFunction(dict)

    @classmethod
    def _create(cls, model_class: type[Document], *args: Any, **kwargs: Any) -> Document:
        return collections.add(**kwargs)


class MetamessageFactory(factory.Factory):  # type: ignore[misc]
    """A metamessage about ``user``; ``session`` and ``message`` (its id) as ``memory.metamessages.make`` wants them."""

    class Meta:
        model = Metamessage

    user: Any = factory.SubFactory(UserFactory)
    label: Any = "note"
    content: Any = factory.Sequence(lambda n: f"This is note {n}.")
    metadata: Any = factory.LazyFunction(dict)

    @classmethod
    def _create(cls, model_class: type[Metamessage], *args: Any, **kwargs: Any) -> Metamessage:
        return metamessages.make(**kwargs)


class ApiKeyFactory(factory.Factory):  # type: ignore[misc]
    """A key; its secret is the attribute ``key``. ``scope`` follows from what is given."""

    class Meta:
        model = ApiKey

    name: Any = factory.Sequence(lambda n: f"key {n}")

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, **kwargs: Any) -> ApiKey:
        scope = next(
            (part for part in ("session", "user", "project", "collection", "app") if part in kwargs), "operator"
        )
        if scope not in ("operator", "app"):
            kwargs.setdefault("app", kwargs[scope].app)
        row, key = keys.create(scope=scope, **kwargs)
        row.key = key  # type: ignore[attr-defined]
        return row
