"""The overview's page: found from the index, readable at a glance, and leading to what wants attention."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory import clock
from reasoning import circuit
from reasoning.models import Worker
from reasoning.providers.base import Failure, ProviderError
from tests.admin import data

pytestmark = pytest.mark.django_db
REFUSED, FOUND = 403, 200
URL = "/admin/reasoning/overview/"


@pytest.fixture
def operator(client):
    """A client in which a superuser is logged in."""
    client.force_login(data.superuser())
    return client


def text_of(response):
    """What the answer says."""
    assert response.status_code == FOUND
    return response.content.decode()


def test_the_index_leads_to_it(operator):
    assert reverse("admin:reasoning_overview_changelist") == URL
    assert URL in text_of(operator.get(reverse("admin:index")))


def test_an_empty_site_is_told_what_to_do(operator):
    shown = text_of(operator.get(URL))
    assert "The loop stands still" in shown
    assert "No worker has ever run" in shown
    assert "There is no budget" in shown


def test_a_healthy_loop_says_so_and_renews_itself(operator):
    Worker.objects.create(name="one", started_at=clock.now(), beat_at=clock.now())
    shown = text_of(operator.get(URL))
    assert "The loop is healthy" in shown
    assert 'data-refresh="15"' in shown
    assert "memory/refresh.js" in shown


def test_it_leads_to_what_wants_attention(operator):
    user = data.ana()
    data.quarantined(user)
    data.parked(user)
    circuit.failed("openai", ProviderError(Failure.QUOTA, "The key has no credit left."))
    shown = text_of(operator.get(URL))
    assert reverse("admin:reasoning_quarantined_changelist") in shown
    assert f"{reverse('admin:reasoning_work_changelist')}?state__exact=parked" in shown
    assert reverse("admin:reasoning_providerstate_changelist") in shown
    for url in ("reasoning_work_changelist", "reasoning_pass_changelist"):
        filters = "state__exact=parked" if "work" in url else "outcome__exact=failed"
        assert text_of(operator.get(f"{reverse(f'admin:{url}')}?{filters}"))


@pytest.mark.parametrize("span", ["hour", "day", "week", "century"])
def test_one_can_choose_a_time(operator, span):
    assert "<svg" in text_of(operator.get(URL, {"span": span}))


def test_one_without_the_permission_sees_neither_page_nor_entry(client):
    client.force_login(data.staff("view_subject"))
    assert client.get(URL).status_code == REFUSED
    assert URL not in text_of(client.get(reverse("admin:index")))


def test_one_who_sees_figures_only_gets_no_links_to_what_is_closed(client):
    data.quarantined(data.ana())
    client.force_login(data.staff("view_overview"))
    shown = text_of(client.get(URL))
    assert "in quarantine" in shown
    assert reverse("admin:reasoning_quarantined_changelist") not in shown


def test_nothing_else_is_under_its_address(operator):
    assert operator.get(f"{URL}1/change/").status_code == 404
    assert operator.get(f"{URL}add/").status_code == 404


def test_the_menu_leads_to_what_one_may_see_from_every_page_of_the_console(client):
    user = data.ana()
    client.force_login(data.staff("view_overview", "view_subject", "view_user"))
    subjects = reverse("admin:memory_subject_changelist")
    for url in (URL, subjects, reverse("admin:memory_user_change", args=[user.pk])):
        shown = text_of(client.get(url))
        menu = shown[shown.index("honcho-menu") : shown.index("</nav>", shown.index("honcho-menu"))]
        assert URL in menu
        assert subjects in menu
        assert reverse("admin:memory_event_changelist") not in menu
        assert 'aria-current="page"' in menu
