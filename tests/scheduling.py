"""Which process of a run of pytest-xdist runs which tests, and which of them begin."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

ONE_WORKER = (
    "tests/crash/test_kill.py",
    "tests/site/test_launcher.py",
    "integrations/tests/test_integrations.py",
    "tests/admin/test_stories_browser.py",
    "tests/clients/test_apps_era.py",
    "tests/crash/test_watchdog.py",
    "tests/faults/test_faults.py",
    "tests/admin/test_admin_browser.py",
    "tests/clients/test_typescript.py",
    "tests/clients/test_generated.py",
    "tests/admin/test_spending_browser.py",
    "tests/admin/test_experiments_browser.py",
    "tests/clients/test_typescript_browser.py",
    "tests/admin/test_quarantine_browser.py",
    "tests/admin/test_reprocess_browser.py",
    "tests/admin/test_subject_browser.py",
    "tests/admin/test_prompt_browser.py",
    "tests/admin/test_overview_browser.py",
)
"""Files whose tests stand on something that takes long to make: one process of a run makes it, and runs them all."""

LONG = (
    "tests/admin/test_accessibility.py::",
    *ONE_WORKER[:3],
    "tests/packaging/test_wheel.py::",
    "tests/site/test_scenario.py::",
    *ONE_WORKER[3:],
    "tests/store/test_versions_machine.py::",
    "tests/loop/test_queue.py::test_a_work_row_holds_its_promises",
    "tests/site/test_two_web_servers.py::",
    "tests/site/test_slots.py::",
)
"""What takes longest, the longest first: begun last, it would run alone while the other processes had nothing to do."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Any process takes any test, but those of some files stay together, and what takes long begins.

    (The groups of pytest-xdist 3.8 say so too, but nothing heeds them with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in ONE_WORKER else nodeid

    def _assign_work_unit(self, node: Any) -> None:
        scopes = (scope for start in LONG for scope in self.workqueue if scope.startswith(start))
        if (longest := next(scopes, None)) is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
