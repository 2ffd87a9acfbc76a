"""Which process of a run of pytest-xdist runs which tests."""

from xdist.scheduler import LoadScopeScheduling

ONE_WORKER = {
    "integrations/tests/test_integrations.py",
    "tests/admin/test_admin_browser.py",
    "tests/admin/test_experiments_browser.py",
    "tests/admin/test_overview_browser.py",
    "tests/admin/test_prompt_browser.py",
    "tests/admin/test_quarantine_browser.py",
    "tests/admin/test_stories_browser.py",
    "tests/admin/test_subject_browser.py",
    "tests/admin/test_reprocess_browser.py",
    "tests/clients/test_apps_era.py",
    "tests/clients/test_generated.py",
    "tests/clients/test_typescript.py",
    "tests/crash/test_kill.py",
    "tests/crash/test_watchdog.py",
    "tests/faults/test_faults.py",
    "tests/site/test_launcher.py",
}
"""Files whose tests stand on something that takes long to make: one process of a run makes it, and runs them all."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Any process takes any test, but those of some files stay together.

    (The groups of pytest-xdist 3.8 say so too, but nothing heeds them with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in ONE_WORKER else nodeid
