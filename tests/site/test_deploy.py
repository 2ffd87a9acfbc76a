"""What is under deploy/ agrees with the code: metrics, commands, times; and the tools of the trade accept it."""

import configparser
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError
from django.utils import timezone

from honcho_site import environment, processes
from reasoning import metrics, watchdog
from reasoning.conf import KINDS, ReasoningSettings
from reasoning.models import Work, Worker
from reasoning.providers.base import Failure

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DEPLOY = CHECKOUT / "deploy"
RULES = DEPLOY / "prometheus" / "honcho.rules.yml"
UNITS = sorted((DEPLOY / "systemd").iterdir())

#: What Prometheus and its blackbox exporter make themselves.
NOT_OURS = {"up", "probe_success"}


def expressions() -> list[str]:
    """Every PromQL expression of the rules and of the dashboard."""
    rules = yaml.safe_load(RULES.read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((DEPLOY / "grafana" / "honcho.json").read_text())
    found += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    found += [variable["query"]["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return found


def exported_by_files() -> dict[str, set[str]]:
    """Every series that processes count, with its labels."""
    ours = [
        metrics.EVENTS_WRITTEN, metrics.DURATION, metrics.FAILURES, metrics.TOKENS, metrics.COST, metrics.UNPRICED,
        metrics.QUARANTINED,
    ]  # fmt: skip
    found: dict[str, set[str]] = {}
    for metric in ours:
        [family] = metric.describe()
        endings = ("_count", "_sum", "_bucket") if family.type == "histogram" else ("_total",)
        for ending in endings:
            found[family.name + ending] = {*metric._labelnames, *(["le"] if ending == "_bucket" else [])}
    return found


def exported() -> dict[str, set[str]]:
    """Every series that /metrics can show, with its labels."""
    found = exported_by_files()
    for family in metrics.DatabaseCollector().collect():
        found[family.name] = set(getattr(family, "_labelnames", ()))
    return found


@pytest.mark.django_db
def test_rules_and_dashboard_ask_for_metrics_and_labels_that_exist():
    Worker.objects.create(name="here:1", started_at=timezone.now(), beat_at=timezone.now())
    known = exported()
    asked = set()
    for expression in expressions():
        for name, matchers in re.findall(r"\b((?:honcho|django)_\w+|up|probe_success)\b(?:\{([^}]*)\})?", expression):
            assert name in known or name in NOT_OURS, expression
            asked.add(name)
            labels = set(re.findall(r"(\w+)\s*=", matchers)) - {"instance", "job"}
            assert labels <= known.get(name, set()), expression
        for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
            labels = {label.strip() for label in grouping.split(",")}
            assert labels <= set().union(*known.values()), expression
    counted = {name for name in exported_by_files() if not name.endswith(("_sum", "_bucket"))}
    assert counted <= asked, "what is counted is on the dashboard or has a rule"


def test_rules_name_failures_states_and_outcomes_that_exist():
    text = "\n".join(expressions())
    for classes in re.findall(r'failure=~?"([^"]+)"', text):
        assert set(classes.split("|")) <= set(Failure)
    named = {name for classes in re.findall(r'failure=~?"([^"]+)"', RULES.read_text()) for name in classes.split("|")}
    holds = {Failure.OVER_BUDGET, Failure.NO_PRICE}  # no pass fails of these: its work is held
    assert named == set(Failure) - holds, "each class of failure has its alert"
    assert set(re.findall(r'state="(\w+)"', text)) <= set(Work.State)
    assert set(re.findall(r'outcome="(\w+)"', text)) == {"published"}
    assert ("user", "published") in metrics.DURATION._metrics
    assert set(re.findall(r'kind="(\w+)"', text)) <= set(KINDS)


def test_rules_ask_for_jobs_that_are_scraped_by_addresses_that_exist(client):
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert {name for text in expressions() for name in re.findall(r'job="([^"]+)"', text)} == set(jobs)
    assert jobs["honcho"]["metrics_path"] == "/metrics"
    assert jobs["honcho-readyz"]["static_configs"][0]["targets"][0].endswith("/readyz")
    assert config["rule_files"] == [RULES.name]


def test_every_rule_says_how_bad_it_is_and_what_to_do():
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert {"summary", "description"} <= set(rule["annotations"])


def test_panels_of_the_dashboard_do_not_overlap():
    dashboard = json.loads((DEPLOY / "grafana" / "honcho.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize("arguments", [["check", "rules", RULES.name], ["test", "rules", "honcho.rules.test.yml"],
                                       ["check", "config", "prometheus.yml"]], ids=" ".join)  # fmt: skip
def test_promtool_finds_nothing(arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    found = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((DEPLOY / "systemd" / name).read_text())
    return parser


def test_units_start_what_run_starts():
    web = shlex.split(unit("honcho-web.service")["Service"]["ExecStart"])
    assert web == ["/opt/honcho/.venv/bin/granian", *processes.web(8000, 2, "127.0.0.1")[3:]]
    worker = shlex.split(unit("honcho-worker.service")["Service"]["ExecStart"])
    assert worker == ["/opt/honcho/.venv/bin/python", *processes.worker()[1:]]


def test_units_and_docs_name_commands_options_and_variables_that_exist():
    texts = [path.read_text() for path in [*UNITS, CHECKOUT / "docs" / "operations.md"]]
    named = {name for text in texts for name in re.findall(r"manage\.py (\w+)", text)}
    assert {"worker", "healthy", "migrate"} <= named <= set(get_commands())
    options = {name for text in texts for name in re.findall(r"manage\.py healthy (--\w+)", text)}
    assert options == {"--alive", "--worker"}
    for path in UNITS:
        if path.suffix == ".service":
            given = dict(pair.split("=", 1) for pair in unit(path.name)["Service"].get("Environment", "").split())
            assert set(given) - {"PYTHONUNBUFFERED"} <= set(environment.VARIABLES)


def test_units_name_one_another_rightly():
    names = {path.name for path in UNITS}
    for path in UNITS:
        assert set(re.findall(r"honcho-[\w-]+\.(?:service|timer)", path.read_text())) <= names
    assert "honcho-web-health.service" in names  # started by the timer of its name


def test_times_of_units_compose_and_code_fit():
    settings = ReasoningSettings()
    worker = unit("honcho-worker.service")["Service"]
    assert worker["Type"] == "notify"
    assert worker["KillMode"] == "mixed"
    assert worker["Restart"] == "always"
    stop = settings.model_timeout + watchdog.STOP_SLACK_SECONDS
    assert stop < int(worker["TimeoutStopSec"])
    assert int(worker["WatchdogSec"]) > watchdog.LOOK_SECONDS * 10
    compose = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
    assert stop < int(compose["worker"]["stop_grace_period"].rstrip("s"))
    assert {compose[name]["restart"] for name in ("web", "worker", "db")} == {"unless-stopped"}
    docs = (CHECKOUT / "docs" / "operations.md").read_text()
    assert f"{2 * settings.worker_silence_seconds + 2 * watchdog.LOOK_SECONDS:g} s" in docs
    assert f"{stop:g} s" in docs


def test_systemd_accepts_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    granian, python = Path(sys.executable).with_name("granian"), sys.executable
    for path in UNITS:
        text = path.read_text().replace("/opt/honcho/.venv/bin/granian", str(granian))
        text = text.replace("/opt/honcho/.venv/bin/python", python).replace("/opt/honcho", str(CHECKOUT))
        (tmp_path / path.name).write_text(text.replace("User=honcho\n", ""))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *[str(tmp_path / path.name) for path in UNITS]],
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
    )
    said = [line for line in found.stderr.splitlines() if str(tmp_path) in line or "honcho" in line]
    assert (said, found.returncode) == ([], 0), found.stderr


class NotReady(BaseHTTPRequestHandler):
    """A web server that lives, beside a database that does not."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_server_that_is_alive_is_not_restarted_for_what_else_is_wrong():
    with HTTPServer(("127.0.0.1", 0), NotReady) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            call_command("healthy", "--alive", port=server.server_port)
            with pytest.raises(CommandError, match="503"):
                call_command("healthy", port=server.server_port)
        finally:
            server.shutdown()
            thread.join()
    with pytest.raises(CommandError, match="does not answer"):
        call_command("healthy", "--alive", port=server.server_port)


def test_the_worker_tells_systemd_how_it_is(tmp_path, monkeypatch):
    watchdog.tell_systemd("READY=1")  # nobody asked
    for address, bound in ((str(tmp_path / "n"),) * 2, (f"@{tmp_path}", f"\0{tmp_path}")):
        if bound.startswith("\0") and sys.platform != "linux":
            continue
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(bound)
            manager.settimeout(5)
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            watchdog.tell_systemd("WATCHDOG=1")
            assert manager.recv(100) == b"WATCHDOG=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    watchdog.tell_systemd("READY=1")
