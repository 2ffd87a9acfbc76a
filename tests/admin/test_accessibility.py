"""Every page of the console is scanned by axe-core: nothing serious or critical, in light and in dark."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.urls import reverse

from tests.admin import data, world
from tests.admin.browser import NEEDS, entered
from tests.admin.pages import every_page, forms_of_acts
from tests.clients.conftest import finished
from tests.loop.helpers import AT_ONCE

pytestmark = NEEDS

AXE = "4.14.1"
GRAVE = ("serious", "critical")

SELECT2 = ".select2-container"
"""Django's own, without a name."""

MENU, WITH_MENU = "#nav-sidebar", 6
"""What is half of most pages and the same on all; how many are scanned with it."""

RUN = """async ({exclude, only}) => {
    document.getAnimations().forEach((animation) => animation.finish());  // colours that change slowly
    const options = {preload: false, resultTypes: ["violations"], ...(only && {runOnly: [only]})};
    const found = await axe.run({exclude}, options);
    return found.violations.flatMap(
        ({id, impact, help, nodes}) => nodes.map((node) => ({id, impact, help, where: node.target.join(" ")})),
    );
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, downloaded once: it is no part of what is shipped."""
    home = Path(site_settings.HONCHO_DATA_DIR) / "clients" / f"axe-{AXE}"
    home.mkdir(parents=True, exist_ok=True)
    script = home / "package" / "axe.min.js"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this run may be at it
        if not script.exists():
            done = finished(home, "sh", "-c", f"npm pack --silent axe-core@{AXE} && tar -xzf axe-core-{AXE}.tgz")
            if done.returncode:
                pytest.fail(f"axe-core cannot be downloaded here: {done.stderr[-500:]}")
    return script.read_text()


def test_no_page_has_a_serious_fault(browser: Any, site: str, axe: str, settings: Any) -> None:
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}
    world.everything()
    user = data.superuser()
    faults: dict[tuple[str, str], str] = {}
    with entered(browser, site, "operator", bypass_csp=True) as page:  # axe-core sets styles of its own
        forms = {act.form_class: path for act, path in forms_of_acts(user)}  # their pages differ by their fields alone
        paths = [reverse("admin:index"), *every_page(user, 1), *forms.values()]
        for path in paths:
            page.goto(f"{site}{path}")
            page.evaluate(axe)
            exclude = [SELECT2] if path in paths[:WITH_MENU] else [SELECT2, MENU]
            for scheme, only in (("light", ""), ("dark", "color-contrast")):
                page.emulate_media(color_scheme=scheme)
                for fault in page.evaluate(RUN, {"exclude": exclude, "only": only}):
                    if fault["impact"] in GRAVE:
                        faults.setdefault((fault["id"], fault["where"]), f"{path} ({scheme}): {fault['help']}")
    assert not faults, "\n".join(f"{where} {fault}" for fault, where in faults.items())
