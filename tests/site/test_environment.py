"""The site's settings from the environment: what is read, and what is refused with what to do."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from honcho_site import environment
from reasoning import providers
from reasoning.conf import ReasoningSettings

CHECKOUT = Path(__file__).resolve().parent.parent.parent
POSTGRES = "postgres://ines:s3cret@db.example.org:5433/honcho"


@pytest.fixture
def read(tmp_path):
    """Read an environment that holds nothing but what is given."""

    def read(**variables: str) -> environment.Environment:
        return environment.read({"HONCHO_DATA_DIR": str(tmp_path), "PATH": "/usr/bin", **variables}, CHECKOUT)

    return read


def test_nothing_set_means_an_embedded_database_and_the_built_in_reasoner(tmp_path):
    found = environment.read({}, tmp_path)
    assert found.data_dir == tmp_path / "var"
    assert found.database is None
    assert found.openai_api_key is None
    assert found.model == "gpt-4o-mini"
    assert (found.worker_concurrency, found.poll_interval, found.batch_size, found.port) == (4, 10.0, 100, 8000)
    assert found.interval is None
    assert (found.fallbacks, found.fallback_after) == ([], None)
    assert found.debug is False
    assert found.log_format == "json"
    assert "localhost" in found.allowed_hosts


def test_what_is_set_is_read(read):
    found = read(
        DATABASE_URL=POSTGRES,
        SECRET_KEY="k" * 50,
        OPENAI_API_KEY="sk-1",
        OPENAI_BASE_URL="http://localhost:11434/v1",
        REASONING_MODEL="qwen3",
        REASONING_BATCH_SIZE="7",
        REASONING_INTERVAL="60",
        WORKER_CONCURRENCY="9",
        WORKER_POLL_INTERVAL="0.5",
        RATE_PER_MINUTE="600",
        WEBHOOK_ALLOW_PRIVATE="yes",
        FOUR_EYES="1",
        ALLOWED_HOSTS="example.org, .example.com",
        CSRF_TRUSTED_ORIGINS="https://example.org",
        HONCHO_CORS_ORIGINS="https://app.example.org, http://localhost:5173",
        DEBUG="yes",
        PORT="9000",
        LOG_FORMAT="console",
    )
    assert found.database == {
        "ENGINE": "honcho_site.postgres",
        "NAME": "honcho",
        "USER": "ines",
        "PASSWORD": "s3cret",
        "HOST": "db.example.org",
        "PORT": 5433,
    }
    assert (found.openai_api_key, found.openai_base_url, found.model) == ("sk-1", "http://localhost:11434/v1", "qwen3")
    assert (found.batch_size, found.worker_concurrency, found.poll_interval) == (7, 9, 0.5)
    assert found.interval == 60
    assert (found.rate_per_minute, found.webhook_allow_private, found.four_eyes) == (600, True, True)
    assert found.allowed_hosts == ["example.org", ".example.com"]
    assert found.csrf_trusted_origins == ["https://example.org"]
    assert found.cors_origins == ["https://app.example.org", "http://localhost:5173"]
    assert (found.debug, found.port, found.log_format) == (True, 9000, "console")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40ss%2Fw@h/db", {"PASSWORD": "p@ss/w", "NAME": "db", "PORT": ""}),
        ("postgres://u@h/db?sslmode=require", {"OPTIONS": {"sslmode": "require"}}),
        ("postgres:///db?host=/run/postgresql", {"HOST": "", "OPTIONS": {"host": "/run/postgresql"}}),
    ],
)
def test_forms_of_a_database_url(read, url, expected):
    database = read(DATABASE_URL=url, SECRET_KEY="k").database
    assert database is not None
    assert {name: database[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("database_url", "DATABASE_URL"),
        ("DB_URL", "DATABASE_URL"),
        ("DB_CONNECTION_URI", "DATABASE_URL"),
        ("HONCHO_DATABASE_URL", "DATABASE_URL"),
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("OPENAI_BASEURL", "OPENAI_BASE_URL"),
        ("REASONNING_MODEL", "REASONING_MODEL"),
        ("REASONING_FALLBACK", "REASONING_FALLBACK_MODEL"),
        ("REASONING_FALBACK_MODEL", "REASONING_FALLBACK_MODEL"),
        ("REASONING_FALLBACK_URL", "REASONING_FALLBACK_BASE_URL"),
        ("REASONING_FALLBACK_APIKEY", "REASONING_FALLBACK_API_KEY"),
        ("REASONING_FALLBACK_AFTER_SECONDS", "REASONING_FALLBACK_AFTER"),
        ("REASONING_BATCHSIZE", "REASONING_BATCH_SIZE"),
        ("WORKER_CONCURENCY", "WORKER_CONCURRENCY"),
        ("WORKERS_CONCURRENCY", "WORKER_CONCURRENCY"),
        ("WORKER_POLLING_INTERVAL", "WORKER_POLL_INTERVAL"),
        ("HONCHO_DATADIR", "HONCHO_DATA_DIR"),
        ("HONCHO_DATA", "HONCHO_DATA_DIR"),
        ("SECRETKEY", "SECRET_KEY"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("CSRF_TRUSTED_ORIGIN", "CSRF_TRUSTED_ORIGINS"),
        ("HONCHO_CORS_ORIGIN", "HONCHO_CORS_ORIGINS"),
        ("LOGFORMAT", "LOG_FORMAT"),
    ],
)
def test_a_misspelt_name_is_refused_and_the_right_one_named(wrong, meant, tmp_path):
    with pytest.raises(ImproperlyConfigured) as refused:
        environment.read({wrong: "s3cret"}, tmp_path)
    assert f"has {wrong}" in str(refused.value)
    assert f"you mean {meant} " in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []  # refused before anything was made


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAI_API_TYPE",
        "OPENAI_API_VERSION",
        "OPENAI_ADMIN_KEY",
        "OPENAI_MODEL",
        "AZURE_OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "OPENCAGE_API_KEY",
        "PGDATABASE",
        "PGHOST",
        "DATABASE",
        "DATABASE_HOST",
        "DATABASE_USER",
        "DATABASE_URL_REPLICA",
        "TEST_DATABASE_URL",
        "DJANGO_SECRET_KEY",
        "AWS_SECRET_KEY",
        "SECRET_KEY_BASE",
        "WEB_CONCURRENCY",
        "CELERY_WORKER_CONCURRENCY",
        "HONCHO_API_KEY",
        "HONCHO_URL",
        "HONCHO_PORT",
        "HONCHO_SERVICE_HOST",
        "EXPORT",
        "DEBUGGER",
        "XDEBUG",
        "CORS_ALLOWED_ORIGINS",
        "LOG_LEVEL",
    ],
)
def test_everyday_variables_of_other_programs_are_let_through(read, name):
    read(**{name: "whatever"})


def test_a_near_miss_beside_the_right_name_is_another_programs(read):
    assert read(OPENAI_API_KEY="sk-1", OPENAI_BASE_URL="http://a/v1", OPENAI_API_BASE="http://b").openai_base_url == (
        "http://a/v1"
    )


@pytest.mark.parametrize("name", [name for name in environment.VARIABLES if name != "HONCHO_ENV_FILE"])
def test_a_variable_that_is_set_but_empty_is_refused(name, tmp_path):
    with pytest.raises(ImproperlyConfigured, match=f"{name} is set but empty.*unset it"):
        environment.read({name: " "}, tmp_path)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"DATABASE_URL": "mysql://u:s3cret@h/db"}, "must name a PostgreSQL.*begins with mysql://"),
        ({"DATABASE_URL": "s3cret"}, "must name a PostgreSQL"),
        ({"DATABASE_URL": "sqlite:///s3cret.db"}, "must name a PostgreSQL"),
        ({"DATABASE_URL": "postgres://u:s3cret@h:port/db"}, "cannot be read.*percent-encoded"),
        ({"DATABASE_URL": "postgres://u:s3cret#x@h/db"}, "has a # in it.*%23"),
        ({"DATABASE_URL": "postgres://u:s3cret@h"}, "names no database"),
        ({"DATABASE_URL": "postgres://u:s3cret@h/db?pool=true"}, "Remove `pool`"),
        ({"DATABASE_URL": POSTGRES}, "SECRET_KEY is not set.*token_urlsafe"),
        ({"REPLICA_URL": "postgres://u:s3cret@h/db"}, "DATABASE_URL is not.*has no replica"),
        ({"DATABASE_URL": POSTGRES, "SECRET_KEY": "k", "REPLICA_URL": "postgres://u:s3cret@h"}, "REPLICA_URL names no"),
        ({"HONCHO_REDIS_URL": "s3cret@localhost:6379"}, "HONCHO_REDIS_URL must name a Redis"),
        ({"OPENAI_BASE_URL": "http://s3cret@localhost/v1"}, "OPENAI_API_KEY is not.*any value"),
        ({"REASONING_MODEL": "qwen3"}, "OPENAI_API_KEY is not.*built-in reasoner"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "localhost:11434"}, "OPENAI_BASE_URL must be a URL.*http"),
        ({"REASONING_FALLBACK_MODEL": "m"}, "OPENAI_API_KEY is not.*needs no other"),
        ({"REASONING_FALLBACK_LOCAL": "1"}, "REASONING_FALLBACK_LOCAL is set but OPENAI_API_KEY is not"),
        ({"REASONING_FALLBACK_API_KEY": "s3cret"}, "REASONING_FALLBACK_API_KEY is set but OPENAI_API_KEY is not"),
        ({"REASONING_FALLBACK_AFTER": "60"}, "nothing to fall back on"),
        ({"OPENAI_API_KEY": "k", "REASONING_FALLBACK_AFTER": "60"}, "nothing to fall back on"),
        ({"OPENAI_API_KEY": "k", "REASONING_FALLBACK_API_KEY": "s3cret"}, "no model or server to use it with"),
        (
            {"OPENAI_API_KEY": "s3cret", "REASONING_FALLBACK_BASE_URL": "http://b/v1"},
            "REASONING_FALLBACK_API_KEY is not.*no other address.*any value",
        ),
        (
            {"OPENAI_API_KEY": "k", "REASONING_FALLBACK_API_KEY": "s3cret", "REASONING_FALLBACK_BASE_URL": "s3cret"},
            "REASONING_FALLBACK_BASE_URL must be a URL",
        ),
        ({"OPENAI_API_KEY": "k", "REASONING_FALLBACK_MODEL": "gpt-4o-mini"}, "names the model that is asked first"),
        (
            {"OPENAI_API_KEY": "k", "REASONING_FALLBACK_MODEL": "m", "REASONING_FALLBACK_AFTER": "soon"},
            "REASONING_FALLBACK_AFTER must be a number.*'soon'",
        ),
        ({"OPENAI_API_KEY": "k", "REASONING_FALLBACK_LOCAL": "perhaps"}, "REASONING_FALLBACK_LOCAL must be 1 or 0"),
        ({"WORKER_CONCURRENCY": "many"}, "WORKER_CONCURRENCY must be a whole number from 1 to 256.*'many'"),
        ({"WORKER_CONCURRENCY": "0"}, "WORKER_CONCURRENCY must be a whole number from 1"),
        ({"WORKER_CONCURRENCY": "2.5"}, "WORKER_CONCURRENCY must be a whole number"),
        ({"WORKER_POLL_INTERVAL": "nan"}, "WORKER_POLL_INTERVAL must be a number"),
        ({"WORKER_POLL_INTERVAL": "10s"}, "WORKER_POLL_INTERVAL must be a number"),
        ({"REASONING_BATCH_SIZE": "-1"}, "REASONING_BATCH_SIZE must be a whole number"),
        ({"PORT": "70000"}, "PORT must be a whole number from 1 to 65535"),
        ({"DEBUG": "maybe"}, "DEBUG must be 1 or 0"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be json or console"),
        ({"ALLOWED_HOSTS": "https://example.org"}, "ALLOWED_HOSTS holds 'https://example.org'.*without scheme"),
        ({"ALLOWED_HOSTS": "example.org:8000"}, "matches no host"),
        ({"CSRF_TRUSTED_ORIGINS": "example.org"}, "CSRF_TRUSTED_ORIGINS must be a URL"),
        ({"CSRF_TRUSTED_ORIGINS": "https://example.org/admin"}, "an origin has no path"),
        ({"HONCHO_CORS_ORIGINS": "*"}, "HONCHO_CORS_ORIGINS must be a URL"),
    ],
)
def test_values_that_cannot_be_meant_are_refused_with_what_to_do(read, variables, reason):
    with pytest.raises(ImproperlyConfigured, match=reason) as refused:
        read(**variables)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None or "s3cret" not in str(refused.value.__cause__)


def test_a_replica_is_read_like_the_database(read):
    found = read(DATABASE_URL=POSTGRES, SECRET_KEY="k", REPLICA_URL="postgres://u@copy/honcho?connect_timeout=2")
    assert (found.replica["HOST"], found.replica["OPTIONS"]["connect_timeout"]) == ("copy", 2)
    assert read().replica is None


def test_a_replica_that_says_nothing_is_waited_for_a_few_seconds_unless_told_otherwise(read):
    given = {"DATABASE_URL": POSTGRES, "SECRET_KEY": "k"}
    plain = read(**given, REPLICA_URL="postgres://u@copy/honcho?sslmode=require").replica["OPTIONS"]
    assert plain == {"connect_timeout": 2, "tcp_user_timeout": 3_000, "sslmode": "require"}
    patient = read(**given, REPLICA_URL="postgres://u@copy/honcho?connect_timeout=9").replica["OPTIONS"]
    assert patient["connect_timeout"] == 9


def test_redis_needs_its_package(read, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"the package redis is not installed.*pip install redis"):
        read(HONCHO_REDIS_URL="redis://:s3cret@localhost:6379/0")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert read(HONCHO_REDIS_URL="redis://localhost:6379/0").redis_url == "redis://localhost:6379/0"
    assert read().redis_url is None


SITE = """
from honcho_site import settings
print(sorted(settings.DATABASES), getattr(settings, "DATABASE_ROUTERS", []))
print(sorted({cache["BACKEND"].rpartition(".")[2] for cache in settings.CACHES.values()}))
print(settings.Q_CLUSTER.get("orm"), settings.Q_CLUSTER.get("redis"))
"""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "['default'] []\n['FileBasedCache', 'LocMemCache']\ndefault None\n"),
        (
            {
                "DATABASE_URL": POSTGRES,
                "SECRET_KEY": "k",
                "REPLICA_URL": POSTGRES,
                "HONCHO_REDIS_URL": "redis://localhost/0",
            },
            "['default', 'replica'] ['memory.replica.Router']\n['LocMemCache', 'RedisCache']\nNone redis://localhost/0\n",
        ),
    ],
)
def test_the_site_is_set_up_for_one_machine_or_for_many(tmp_path, variables, said):
    (tmp_path / "redis.py").touch()
    given = {"HONCHO_DATA_DIR": str(tmp_path), "HONCHO_ENV_FILE": os.devnull, "PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
    done = subprocess.run(
        [sys.executable, "-c", SITE], env=given | variables, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == said


FALLBACKS = {
    "another model": ({"MODEL": "m2"}, [{"PROVIDER": "openai", "MODEL": "m2"}]),
    "the same model with another key": (
        {"MODEL": "gpt-4o-mini", "API_KEY": "k2"},
        [{"PROVIDER": "openai", "MODEL": "gpt-4o-mini", "API_KEY": "k2"}],
    ),
    "another server": (
        {"BASE_URL": "http://b/v1", "API_KEY": "k2"},
        [{"PROVIDER": "openai", "BASE_URL": "http://b/v1", "API_KEY": "k2"}],
    ),
    "the built-in reasoner": ({"LOCAL": "yes"}, [{"PROVIDER": "local"}]),
    "both": ({"MODEL": "m2", "LOCAL": "1"}, [{"PROVIDER": "openai", "MODEL": "m2"}, {"PROVIDER": "local"}]),
    "neither": ({"LOCAL": "no"}, []),
}


@pytest.mark.parametrize(("parts", "expected"), FALLBACKS.values(), ids=FALLBACKS)
def test_who_is_asked_when_the_first_model_cannot_answer(read, parts, expected):
    found = read(OPENAI_API_KEY="k", **{f"REASONING_FALLBACK_{name}": value for name, value in parts.items()})
    assert found.fallbacks == expected
    names = ["local" if step["PROVIDER"] == "local" else "openai-2" for step in expected]
    settings = ReasoningSettings(provider="openai", openai_api_key="k", fallbacks=tuple(found.fallbacks))
    assert settings.problems() == []
    assert [step.name for step in providers.configured(settings)] == ["openai", *names]


def test_how_long_the_first_must_have_failed(read):
    assert read(OPENAI_API_KEY="k", REASONING_FALLBACK_LOCAL="1", REASONING_FALLBACK_AFTER="0").fallback_after == 0


def test_an_environment_does_not_show_its_secrets(read):
    shown = repr(
        read(
            DATABASE_URL=POSTGRES,
            SECRET_KEY="s3cret",
            OPENAI_API_KEY="s3cret",
            REASONING_FALLBACK_MODEL="m",
            REASONING_FALLBACK_API_KEY="s3cret",
        )
    )
    assert "s3cret" not in shown


def test_a_secret_key_is_made_once_and_kept_from_others(read, tmp_path):
    made = read().secret_key
    assert len(made) >= 50
    assert read().secret_key == made
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_of_two_first_starts_one_secret_stands(tmp_path):
    path = tmp_path / "secret"

    def slow() -> str:
        path.write_text("the other's")  # another process was first
        return "ours"

    assert environment.kept_secret(path, slow) == "the other's"


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match=r"cannot be made.*HONCHO_DATA_DIR"):
        environment.read({"HONCHO_DATA_DIR": str(tmp_path / "file" / "var")}, tmp_path)


def test_the_embedder_needs_what_it_stands_on(tmp_path):
    given = {"HONCHO_DATA_DIR": str(tmp_path)}
    assert environment.read(given, tmp_path).embedder == ""
    assert environment.read({**given, "EMBEDDER": "none"}, tmp_path).embedder == ""
    assert environment.read({**given, "EMBEDDER": "cpu"}, tmp_path).embedder == "cpu"
    with_model = {**given, "EMBEDDER": "provider", "OPENAI_API_KEY": "x", "EMBEDDING_MODEL": "m"}
    assert environment.read(with_model, tmp_path).embedding_model == "m"
    for wrong, words in [
        ({"EMBEDDER": "cuda"}, "EMBEDDER must be none or cpu or provider"),
        ({"EMBEDDER": "provider"}, "OPENAI_API_KEY is not set"),
        ({"EMBEDDING_MODEL": "m"}, "EMBEDDER is not provider"),
        ({"SEARCH_LANGUAGES": "english,Deutsch!"}, "SEARCH_LANGUAGES holds 'Deutsch!'"),
    ]:
        with pytest.raises(ImproperlyConfigured, match=words):
            environment.read({**given, **wrong}, tmp_path)


def test_a_env_file_adds_what_the_environment_does_not_say(tmp_path):
    (tmp_path / ".env").write_text("PORT=9000\nOPENAI_API_KEY=from-file\n# a comment\nREASONING_MODEL='qwen3'\n")
    variables = {"PORT": "9001"}
    environment.load_env_file(variables, tmp_path)
    assert variables == {"PORT": "9001", "OPENAI_API_KEY": "from-file", "REASONING_MODEL": "qwen3"}


def test_a_env_file_that_is_named_must_be_there(tmp_path):
    with pytest.raises(ImproperlyConfigured, match=r"HONCHO_ENV_FILE names .*nothing.env"):
        environment.load_env_file({"HONCHO_ENV_FILE": str(tmp_path / "nothing.env")}, tmp_path)


def test_every_variable_is_in_the_example_file():
    text = (CHECKOUT / ".env.example").read_text()
    names = {
        line.split("=")[0].lstrip("#") for line in text.splitlines() if "=" in line and " " not in line.split("=")[0]
    }
    assert names == set(environment.VARIABLES) - {"HONCHO_ENV_FILE"}


def test_a_wrong_setting_ends_a_command_with_a_sentence_and_no_traceback(tmp_path):
    variables = {**os.environ, "HONCHO_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "honcho_site.settings"}
    variables.pop("SECRET_KEY", None)
    variables["DATABASE_URL"] = POSTGRES
    found = subprocess.run(
        [sys.executable, "manage.py", "check"], env=variables, cwd=CHECKOUT, capture_output=True, text=True
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.startswith("Error: SECRET_KEY is not set.")
    assert len(found.stderr.splitlines()) == 1
