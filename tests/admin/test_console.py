"""What all pages of the console stand on: pages of their own, acts that are shown before they are done."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.template import engines
from django.urls import reverse

from memory.models import App
from tests.admin import data

REFUSED, FOUND, MOVED, NOT_ALLOWED, MISSING = 403, 200, 302, 405, 404

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.admin.console")]


@pytest.fixture(autouse=True)
def template(settings, tmp_path):
    """A template that shows what the test's pages say."""
    folder = tmp_path / "admin" / "memory"
    folder.mkdir(parents=True)
    (folder / "test.html").write_text(
        '{% extends "admin/memory/console.html" %}{% block main %}<p>{{ said }}</p>{% endblock %}'
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], tmp_path]}]
    assert engines


@pytest.fixture
def app():
    """An app."""
    return App.objects.create(name="one")


@pytest.fixture
def operator(client):
    """A client in which a superuser is logged in."""
    client.force_login(data.superuser())
    return client


def text_of(response):
    """What the answer says."""
    return response.content.decode()


def url_of(app, name="rename"):
    """The address of a page or an act of an app."""
    return reverse(f"admin:memory_app_{name}", args=[app.pk])


def token_of(response):
    """The token of what a preview shows."""
    return re.search(r'name="token" value="(\w+)"', text_of(response))[1]


def ask(client, url, **fields):
    """Send a step of an act."""
    return client.post(url, {"step": "preview", "reason": "Because", **fields})


def test_a_page_shows_where_it_is_and_what_it_has(operator, app):
    shown = text_of(operator.get(reverse("admin:memory_app_totals")))
    assert "<p>1 apps</p>" in shown
    assert reverse("admin:memory_app_changelist") in shown
    assert "<h1>Totals</h1>" in shown
    assert "memory/admin.css" in shown


def test_a_page_of_a_row_gets_the_row_and_leads_back_to_it(operator, app):
    shown = text_of(operator.get(url_of(app, "story")))
    assert "The story of one" in shown
    assert reverse("admin:memory_app_change", args=[app.pk]) in shown


def test_a_row_that_is_not_there_has_no_page_and_no_act(operator, app):
    App.objects.all().delete()
    assert operator.get(url_of(app, "story")).status_code == MISSING
    assert operator.get(url_of(app)).status_code == MISSING


def test_a_page_takes_what_is_sent_only_where_it_says_so(operator, app):
    assert operator.post(reverse("admin:memory_app_totals")).status_code == MOVED
    assert operator.post(url_of(app, "story")).status_code == NOT_ALLOWED


def test_any_one_of_several_permissions_opens_a_page_and_none_of_them_closes_it(client, app):
    client.force_login(data.staff("view_app", name="viewer"))
    assert client.get(reverse("admin:memory_app_totals")).status_code == FOUND
    client.force_login(data.staff("erase", name="eraser"))
    assert client.get(reverse("admin:memory_app_totals")).status_code == FOUND
    assert client.get(url_of(app, "story")).status_code == REFUSED
    client.force_login(data.staff("view_event", name="other"))
    assert client.get(reverse("admin:memory_app_totals")).status_code == REFUSED


def test_pages_and_acts_are_closed_to_who_is_not_logged_in(client, app):
    for url in (reverse("admin:memory_app_totals"), url_of(app, "story"), url_of(app)):
        assert client.get(url).status_code == MOVED


def test_a_row_has_a_button_for_each_act_and_page_that_one_may(client, operator, app):
    page = reverse("admin:memory_app_change", args=[app.pk])
    shown = text_of(operator.get(page))
    assert url_of(app) in shown
    assert url_of(app, "story") in shown
    client.force_login(data.staff("view_app"))
    assert url_of(app) not in text_of(client.get(page))
    assert ask(client, url_of(app), to="two").status_code == REFUSED
    assert App.objects.get().name == "one"


def test_an_act_that_does_not_apply_has_no_button_and_does_nothing(operator):
    app = App.objects.create(name="fixed")
    assert url_of(app) not in text_of(operator.get(reverse("admin:memory_app_change", args=[app.pk])))
    answer = ask(operator, url_of(app), to="two", token="0")
    assert answer.status_code == MOVED
    assert App.objects.get().name == "fixed"


def test_an_act_asks_then_shows_then_is_done_and_leads_to_its_undoing(operator, app):
    asked = text_of(operator.get(f"{url_of(app)}?to=two"))
    assert "An app can have another name." in asked
    assert 'value="two"' in asked

    shown = ask(operator, url_of(app), to="two")
    assert re.search(r"Then</th><td>two", text_of(shown))
    assert "removed: </span>one" in text_of(shown)
    assert App.objects.get().name == "one"

    done = operator.post(url_of(app), {"step": "x", "reason": "Because", "to": "two", "token": token_of(shown)})
    assert done.status_code == MOVED
    assert App.objects.get().name == "two one by operator"
    said = text_of(operator.get(done.url))
    assert "&lt;b&gt;one&lt;/b&gt; has another name." in said
    assert f'<a href="{url_of(app)}?to=one">Undo</a>' in said
    assert ">The app</a>" in said
    assert LogEntry.objects.get().change_message == "Rename: Because"


def test_an_act_needs_a_reason(operator, app):
    shown = ask(operator, url_of(app), to="two", reason=" ")
    assert "This field is required." in text_of(shown)
    assert 'name="token"' not in text_of(shown)


def test_what_was_not_shown_is_not_done(operator, app):
    token = token_of(ask(operator, url_of(app), to="two"))
    App.objects.update(name="meanwhile")
    shown = ask(operator, url_of(app), to="two", token=token)
    assert "This has changed since you looked." in text_of(shown)
    assert "meanwhile" in text_of(shown)
    assert App.objects.get().name == "meanwhile"
    ask(operator, url_of(app), to="two", token=token_of(shown))
    assert App.objects.get().name == "two meanwhile by operator"


def test_a_refusal_stands_at_the_field_that_it_is_about(operator, app):
    at_field = text_of(ask(operator, url_of(app), to="taken"))
    assert re.search(r'field-to">\s*<ul class="errorlist"[^>]*><li>This name is taken.', at_field)
    assert "Nobody is called so." in text_of(ask(operator, url_of(app), to="never"))
    assert App.objects.get().name == "one"


def test_one_can_go_back_to_the_form_with_what_was_typed(operator, app):
    shown = text_of(ask(operator, url_of(app), to="two", edit="Back to the form"))
    assert 'name="token"' not in shown
    assert 'value="two"' in shown


def test_an_act_on_several_rows_is_shown_and_done_for_each_that_it_can_be_done_to(operator, app):
    rows = [app, App.objects.create(name="two"), App.objects.create(name="held")]
    chosen = {"action": "rename", "_selected_action": [row.pk for row in rows], "to": "new"}
    listing = reverse("admin:memory_app_changelist")
    asked = operator.post(listing, {key: value for key, value in chosen.items() if key != "to"} | {"index": "0"})
    assert "3 selected" in text_of(asked)
    shown = ask(operator, listing, **chosen)
    assert "left as it is: It is held." in text_of(shown)
    assert ask(operator, listing, **chosen, token=token_of(shown)).status_code == MOVED
    assert sorted(App.objects.values_list("name", flat=True)) == ["held", "new one by operator", "new two by operator"]


def test_an_act_on_several_rows_is_offered_to_those_alone_who_may(client, app):
    client.force_login(data.staff("view_app"))
    listing = reverse("admin:memory_app_changelist")
    assert "Rename selected apps" not in text_of(client.get(listing))
    ask(client, listing, action="rename", _selected_action=[app.pk], to="new", token="0")
    assert App.objects.get().name == "one"


def test_a_selection_that_is_too_large_is_refused(operator, app, monkeypatch):
    monkeypatch.setattr("tests.admin.console.Rename.at_once", 1)
    other = App.objects.create(name="two")
    chosen = {"action": "rename", "_selected_action": [app.pk, other.pk], "index": "0"}
    answer = operator.post(reverse("admin:memory_app_changelist"), chosen, follow=True)
    assert "Select at most 1 at a time." in text_of(answer)
