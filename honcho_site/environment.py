"""Read the site's settings from environment variables, strictly.

Every variable that the site knows is in ``VARIABLES``. Whatever is misspelt, empty, half given or not of its
kind stops the start with a text that says what to do: a site that silently falls back to a default database
has lost its data. No message shows a value that may be secret.
"""

import contextlib
import difflib
import importlib.util
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ as django_environ
from django.core.exceptions import ImproperlyConfigured

#: Each variable, and what it is for. ``.env.example`` describes them at length.
VARIABLES: Mapping[str, str] = {
    "DATABASE_URL": "the PostgreSQL to use; without it, one is started in HONCHO_DATA_DIR",
    "REPLICA_URL": "a replica of that PostgreSQL, for reads that say how new they must be",
    "HONCHO_REDIS_URL": "a Redis for the queue of workers and what they tell of themselves",
    "HONCHO_DATA_DIR": "the folder of what the site keeps on disk",
    "HONCHO_ENV_FILE": "a file of further variables, instead of .env",
    "OPENAI_API_KEY": "the key of the model's server; without it, the built-in reasoner works offline",
    "OPENAI_BASE_URL": "an OpenAI-compatible server other than OpenAI's",
    "REASONING_MODEL": "the model that reasons",
    "REASONING_TIMEOUT": "seconds that one model call may take",
    "REASONING_CONTEXT": "tokens that the model takes, prompt and answer together, where they are few",
    "REASONING_FALLBACK_MODEL": "the model that is asked when the first cannot answer",
    "REASONING_FALLBACK_BASE_URL": "the server of that model, where it is another",
    "REASONING_FALLBACK_API_KEY": "the key of that server",
    "REASONING_FALLBACK_LOCAL": "let the built-in reasoner answer when no model can",
    "REASONING_FALLBACK_AFTER": "seconds for which those before must have failed until a fallback is asked",
    "REASONING_BATCH_SIZE": "the most events that one pass reads",
    "REASONING_INTERVAL": "seconds between two passes over one user, session or project",
    "EMBEDDER": "who makes vectors for search by meaning",
    "EMBEDDING_MODEL": "the model that makes them, where it is the provider's",
    "SEARCH_LANGUAGES": "the languages whose word forms search knows, with commas between",
    "WORKER_CONCURRENCY": "how much the worker does at once",
    "WORKER_CALLS_PER_CONNECTION": "model calls in flight for each of its connections",
    "WORKER_POLL_INTERVAL": "seconds between looks for work that no wake-up announced",
    "RATE_PER_MINUTE": "how many requests a minute a key may make that has no limit of its own",
    "FOUR_EYES": "let another person confirm what one promotes in the admin",
    "WEBHOOK_ALLOW_PRIVATE": "let webhooks go to private addresses, and by http",
    "SECRET_KEY": "Django's secret key",
    "ALLOWED_HOSTS": "the host names that the site answers to, with commas between",
    "CSRF_TRUSTED_ORIGINS": "the origins that browsers use, with scheme, with commas between",
    "HONCHO_CORS_ORIGINS": "the origins of other sites whose pages may use the API, with scheme, with commas between",
    "DEBUG": "show error pages with details; never where others can reach the site",
    "PORT": "the port of the web server",
    "WEB_WORKERS": "processes of the web server",
    "LOG_FORMAT": "json or console",
    "STATIC_ROOT": "where `collectstatic` has put the static files; without it they are served from the apps",
}

#: Names that people use for what has another name here.
ALIASES: Mapping[str, str] = {
    "DB_URL": "DATABASE_URL",
    "DB_URI": "DATABASE_URL",
    "DB_CONNECTION_URI": "DATABASE_URL",
    "DATABASE_DSN": "DATABASE_URL",
    "DATABASE_CONNECTION_STRING": "DATABASE_URL",
    "HONCHO_DATA": "HONCHO_DATA_DIR",
    "HONCHO_DIR": "HONCHO_DATA_DIR",
    "HONCHO_DATA_FOLDER": "HONCHO_DATA_DIR",
    "HONCHO_DATA_PATH": "HONCHO_DATA_DIR",
    "OPENAI_KEY": "OPENAI_API_KEY",
    "OPENAI_TOKEN": "OPENAI_API_KEY",
    "OPENAI_API_TOKEN": "OPENAI_API_KEY",
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_API_URL": "OPENAI_BASE_URL",
    "OPENAI_API_BASE_URL": "OPENAI_BASE_URL",
    "OPENAI_BASE": "OPENAI_BASE_URL",
    "OPENAI_URL": "OPENAI_BASE_URL",
    "REASON_MODEL": "REASONING_MODEL",
    "REASONING_MODEL_NAME": "REASONING_MODEL",
    "REASONING_FALLBACK": "REASONING_FALLBACK_MODEL",
    "REASONING_FALLBACK_URL": "REASONING_FALLBACK_BASE_URL",
    "REASONING_FALLBACK_KEY": "REASONING_FALLBACK_API_KEY",
    "REASONING_FALLBACK_SECONDS": "REASONING_FALLBACK_AFTER",
    "REASONING_FALLBACK_AFTER_SECONDS": "REASONING_FALLBACK_AFTER",
    "REASONING_BATCH": "REASONING_BATCH_SIZE",
    "MODEL_TIMEOUT": "REASONING_TIMEOUT",
    "REASONING_MODEL_TIMEOUT": "REASONING_TIMEOUT",
    "REASONING_CONTEXT_TOKENS": "REASONING_CONTEXT",
    "REASONING_CONTEXT_LENGTH": "REASONING_CONTEXT",
    "WORKER_INTERVAL": "WORKER_POLL_INTERVAL",
    "WORKER_POLL": "WORKER_POLL_INTERVAL",
    "WORKER_POLL_SECONDS": "WORKER_POLL_INTERVAL",
    "LOG_FMT": "LOG_FORMAT",
}

#: Everyday variables of other programs that look like one of ours.
EVERYDAY = frozenset(
    {
        "HONCHO_API_KEY",  # of Honcho's clients
        "HONCHO_APP_ID",
        "HONCHO_BASE_URL",
        "HONCHO_URL",
        "OPENAI_ADMIN_KEY",
        "OPENAI_API_HOST",
        "OPENAI_API_TYPE",
        "OPENAI_API_VERSION",
        "OPENAI_ORGANIZATION",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAQ_API_KEY",
        "SECRET_KEY_BASE",
        "WEB_CONCURRENCY",
    }
)

SIMILAR = 0.9  # difflib's ratio from which a name counts as one of ours misspelt
SHORTEST = 9  # letters below which a name is too short to be told from everyday ones (DEBUG, PORT)
DATABASE_SCHEMES = ("postgres", "postgresql")
# A machine that is gone says nothing: libpq would wait for it for minutes, and each read with it.
REPLICA_OPTIONS = {"connect_timeout": 2, "tcp_user_timeout": 3_000}
REDIS_SCHEMES = ("redis", "rediss", "unix")
LOG_FORMATS = ("json", "console")
EMBEDDERS = ("none", "cpu", "provider")
LOCAL_HOSTS = ["localhost", ".localhost", "127.0.0.1", "[::1]"]
DEFAULT_MODEL = "gpt-4o-mini"


@dataclass(frozen=True, repr=False)
class Environment:
    """What the environment says, each value of its own type. It has no repr: some values are secret."""

    data_dir: Path
    database: dict[str, Any] | None
    replica: dict[str, Any] | None
    redis_url: str | None
    secret_key: str
    debug: bool
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    cors_origins: list[str]
    openai_api_key: str | None
    openai_base_url: str | None
    model: str
    model_timeout: float | None
    context: int | None
    fallbacks: list[dict[str, Any]]
    fallback_after: float | None
    embedder: str
    embedding_model: str | None
    search_languages: list[str]
    batch_size: int
    interval: float | None
    worker_concurrency: int
    calls_per_connection: int
    poll_interval: float
    rate_per_minute: int | None
    four_eyes: bool
    webhook_allow_private: bool
    port: int
    web_workers: int
    log_format: str
    static_root: Path | None


def read(environ: Mapping[str, str], checkout: Path) -> Environment:
    """Read every setting, or raise ``ImproperlyConfigured`` with what to do."""
    refuse_misspelt(environ)
    refuse_empty(environ)
    data_dir = read_data_dir(environ, checkout)
    database = read_database(environ)
    key, base_url, model = read_model(environ)
    return Environment(
        data_dir=data_dir,
        database=database,
        replica=read_replica(environ, embedded=database is None),
        redis_url=read_redis_url(environ),
        secret_key=read_secret_key(environ, data_dir, embedded=database is None),
        debug=_flag(environ, "DEBUG"),
        allowed_hosts=read_allowed_hosts(environ),
        csrf_trusted_origins=read_origins(environ, "CSRF_TRUSTED_ORIGINS"),
        cors_origins=read_origins(environ, "HONCHO_CORS_ORIGINS"),
        openai_api_key=key,
        openai_base_url=base_url,
        model=model,
        model_timeout=_number(environ, "REASONING_TIMEOUT", float, None, 1, 300),
        context=_number(environ, "REASONING_CONTEXT", int, None, 6_000, 10_000_000),
        fallbacks=read_fallbacks(environ, model),
        fallback_after=_number(environ, "REASONING_FALLBACK_AFTER", float, None, 0, 86_400),
        embedder=read_embedder(environ),
        embedding_model=environ.get("EMBEDDING_MODEL"),
        search_languages=read_search_languages(environ),
        batch_size=_number(environ, "REASONING_BATCH_SIZE", int, 100, 1, 1_000),
        interval=_number(environ, "REASONING_INTERVAL", float, None, 0, 86_400),
        worker_concurrency=_number(environ, "WORKER_CONCURRENCY", int, 4, 1, 256),
        calls_per_connection=_number(environ, "WORKER_CALLS_PER_CONNECTION", int, 16, 1, 256),
        poll_interval=_number(environ, "WORKER_POLL_INTERVAL", float, 10.0, 0.1, 3_600),
        rate_per_minute=_number(environ, "RATE_PER_MINUTE", int, None, 1, 1_000_000),
        four_eyes=_flag(environ, "FOUR_EYES"),
        webhook_allow_private=_flag(environ, "WEBHOOK_ALLOW_PRIVATE"),
        port=_number(environ, "PORT", int, 8000, 1, 65_535),
        web_workers=_number(environ, "WEB_WORKERS", int, 2, 1, 64),
        log_format=_choice(environ, "LOG_FORMAT", LOG_FORMATS, "json"),
        static_root=Path(environ["STATIC_ROOT"]) if "STATIC_ROOT" in environ else None,
    )


def load_env_file(environ: MutableMapping[str, str], checkout: Path) -> None:
    """Add the variables of ``.env`` (or of ``HONCHO_ENV_FILE``) that the environment does not have."""
    named = environ.get("HONCHO_ENV_FILE")
    path = Path(named) if named else checkout / ".env"
    if path.is_dir() or not path.exists():
        if named:
            raise ImproperlyConfigured(f"HONCHO_ENV_FILE names {path}, which is no file. Correct it, or unset it.")
        return

    class EnvFile(django_environ.Env):  # type: ignore[misc]
        ENVIRON = environ

    EnvFile.read_env(str(path))


def refuse_misspelt(environ: Mapping[str, str]) -> None:
    """Refuse a variable that can only be one of ours by another name, where ours is not given."""
    for name in sorted(environ):
        meant = misspelt(name)
        if meant and meant not in environ:
            raise ImproperlyConfigured(
                f"The environment has {name}, which this site does not know. If you mean {meant} "
                f"({VARIABLES[meant]}), rename it. If {name} belongs to another program, unset it for this "
                "one."
            )


def misspelt(name: str) -> str | None:
    """The variable of ours that ``name`` was meant to be, if it is none but looks like one.

    A whole name of ours with more words around it (``TEST_DATABASE_URL``, ``DATABASE_URL_REPLICA``) is
    another program's, except behind ``HONCHO_``.
    """
    upper = name.upper()
    if name in VARIABLES or upper in EVERYDAY:
        return None
    if upper in ALIASES:
        return ALIASES[upper]
    ours = [known for known in VARIABLES if len(known) >= SHORTEST]
    for known in ours:
        if upper in (known, f"HONCHO_{known}"):
            return known
        if upper.startswith(f"{known}_") or upper.endswith(f"_{known}"):
            return None
    close = difflib.get_close_matches(upper, ours, n=1, cutoff=SIMILAR)
    return close[0] if close else None


def refuse_empty(environ: Mapping[str, str]) -> None:
    """Refuse a variable of ours that is there but says nothing."""
    for name, purpose in VARIABLES.items():
        if name in environ and not environ[name].strip():
            raise ImproperlyConfigured(f"{name} is set but empty. Give it a value ({purpose}), or unset it.")


def read_data_dir(environ: Mapping[str, str], checkout: Path) -> Path:
    """The folder of what the site keeps, made if need be."""
    path = Path(os.path.abspath(Path(environ.get("HONCHO_DATA_DIR", checkout / "var")).expanduser()))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {path} cannot be made: {error.strerror}. Choose another with HONCHO_DATA_DIR."
        ) from error
    return path


def read_database(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Django's settings of the database, or None to start one."""
    return _read_postgres(environ, "DATABASE_URL")


def read_replica(environ: Mapping[str, str], *, embedded: bool) -> dict[str, Any] | None:
    """Django's settings of the database's replica, or None where there is none."""
    replica = _read_postgres(environ, "REPLICA_URL")
    if replica is not None and embedded:
        raise ImproperlyConfigured(
            "REPLICA_URL is set but DATABASE_URL is not, and the built-in PostgreSQL has no replica. Set DATABASE_URL, "
            "or unset REPLICA_URL."
        )
    return replica and {**replica, "OPTIONS": REPLICA_OPTIONS | replica.get("OPTIONS", {})}


def read_redis_url(environ: Mapping[str, str]) -> str | None:
    """The Redis to use, or None to use none."""
    url = environ.get("HONCHO_REDIS_URL")
    if url is None:
        return None
    if url.partition("://")[0] not in REDIS_SCHEMES:
        raise ImproperlyConfigured("HONCHO_REDIS_URL must name a Redis, such as redis://:password@host:6379/0.")
    if importlib.util.find_spec("redis") is None:
        raise ImproperlyConfigured(
            "HONCHO_REDIS_URL is set, but the package redis is not installed. Install it with `pip install redis`, or "
            "unset HONCHO_REDIS_URL."
        )
    return url


def _read_postgres(environ: Mapping[str, str], name: str) -> dict[str, Any] | None:
    """Django's settings of the PostgreSQL that a variable names, None where it is not set."""
    url = environ.get(name)
    if url is None:
        return None
    example = "postgres://user:password@host:5432/name"
    scheme, separator, _ = url.partition("://")
    if scheme not in DATABASE_SCHEMES:
        begins = f"; it begins with {scheme}://" if separator and scheme.isalnum() else ""
        raise ImproperlyConfigured(f"{name} must name a PostgreSQL, such as {example}{begins}.")
    if "#" in url:
        raise ImproperlyConfigured(f"{name} has a # in it, which ends a URL. In a password, write %23.")
    try:
        config: dict[str, Any] = django_environ.Env.db_url_config(url)
    except (ValueError, ImproperlyConfigured):
        raise ImproperlyConfigured(
            f"{name} cannot be read. It must look like {example}, with special characters of the "
            "password percent-encoded (@ is %40, / is %2F, : is %3A)."
        ) from None  # the reader's own error shows the password
    if not config.get("NAME"):
        raise ImproperlyConfigured(f"{name} names no database. It must look like {example}.")
    if "pool" in config.get("OPTIONS", {}):
        raise ImproperlyConfigured(
            f"{name} asks for a connection pool. Remove `pool`: the worker forks, and processes that "
            "share a pool's connections corrupt each other's answers."
        )
    config["ENGINE"] = "honcho_site.postgres"
    return config


def read_model(environ: Mapping[str, str]) -> tuple[str | None, str | None, str]:
    """The key, the base URL and the name of the model; no key means the built-in reasoner."""
    key, base_url, model = (environ.get(n) for n in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "REASONING_MODEL"))
    if key is None:
        for name in ("OPENAI_BASE_URL", "REASONING_MODEL"):
            if name in environ:
                raise ImproperlyConfigured(
                    f"{name} is set but OPENAI_API_KEY is not, so no model would be asked. Set "
                    f"OPENAI_API_KEY (any value, if your server asks for none), or unset {name} to use the "
                    "built-in reasoner."
                )
    if base_url is not None:
        _check_http_url("OPENAI_BASE_URL", base_url, example="http://localhost:11434/v1")
    return key, base_url, model or DEFAULT_MODEL


def read_fallbacks(environ: Mapping[str, str], first: str) -> list[dict[str, Any]]:
    """Who is asked, in this order, when the first model cannot answer: another model or server, the built-in one."""
    names = [f"REASONING_FALLBACK_{part}" for part in ("MODEL", "BASE_URL", "API_KEY")]
    model, base_url, key = (environ.get(name) for name in names)
    local = _flag(environ, "REASONING_FALLBACK_LOCAL")
    given = [name for name in names if name in environ] + ["REASONING_FALLBACK_LOCAL"] * local
    if given and "OPENAI_API_KEY" not in environ:
        raise ImproperlyConfigured(
            f"{given[0]} is set but OPENAI_API_KEY is not, so the built-in reasoner works, which needs no other to "
            f"fall back on. Set OPENAI_API_KEY, or unset {given[0]}."
        )
    if "REASONING_FALLBACK_AFTER" in environ and not given:
        raise ImproperlyConfigured(
            "REASONING_FALLBACK_AFTER is set, but nothing to fall back on. Set REASONING_FALLBACK_MODEL, "
            "REASONING_FALLBACK_BASE_URL or REASONING_FALLBACK_LOCAL, or unset it."
        )
    if key is not None and model is None and base_url is None:
        raise ImproperlyConfigured(
            "REASONING_FALLBACK_API_KEY is set, but no model or server to use it with. Set REASONING_FALLBACK_MODEL or "
            "REASONING_FALLBACK_BASE_URL, or unset it."
        )
    if base_url is not None:
        _check_http_url("REASONING_FALLBACK_BASE_URL", base_url, example="http://localhost:11434/v1")
        if key is None:
            raise ImproperlyConfigured(
                "REASONING_FALLBACK_BASE_URL is set but REASONING_FALLBACK_API_KEY is not, and the key of "
                "OPENAI_API_KEY is sent to no other address. Set REASONING_FALLBACK_API_KEY (any value, if your server "
                "asks for none)."
            )
    elif model == first and key is None:
        raise ImproperlyConfigured(
            "REASONING_FALLBACK_MODEL names the model that is asked first, at the same server. Name another, or "
            "unset it."
        )
    steps: list[dict[str, Any]] = []
    if model is not None or base_url is not None:
        known = {"MODEL": model, "BASE_URL": base_url, "API_KEY": key}
        steps.append({"PROVIDER": "openai", **{name: value for name, value in known.items() if value is not None}})
    return [*steps, {"PROVIDER": "local"}] if local else steps


def read_embedder(environ: Mapping[str, str]) -> str:
    """Who makes vectors for search; empty for nobody."""
    embedder = _choice(environ, "EMBEDDER", EMBEDDERS, "none")
    if embedder == "provider" and "OPENAI_API_KEY" not in environ:
        raise ImproperlyConfigured(
            "EMBEDDER is provider, but OPENAI_API_KEY is not set. Set it (any value, if your server asks for none), or "
            "let EMBEDDER be cpu."
        )
    if embedder != "provider" and "EMBEDDING_MODEL" in environ:
        raise ImproperlyConfigured("EMBEDDING_MODEL is set, but EMBEDDER is not provider. Set it so, or unset it.")
    return "" if embedder == "none" else embedder


def read_search_languages(environ: Mapping[str, str]) -> list[str]:
    """The languages whose word forms search knows: English, unless told."""
    languages = _list(environ, "SEARCH_LANGUAGES") or ["english"]
    for name in languages:
        if not re.fullmatch("[a-z_]+", name):
            raise ImproperlyConfigured(
                f"SEARCH_LANGUAGES holds {name!r}; write languages as PostgreSQL calls them: english,german"
            )
    return languages


def read_allowed_hosts(environ: Mapping[str, str]) -> list[str]:
    """The host names that the site answers to: this machine's, unless told."""
    hosts = _list(environ, "ALLOWED_HOSTS")
    for host in hosts:
        if "://" in host or "/" in host or " " in host or (":" in host and not host.startswith("[")):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS holds {host!r}, which matches no host. Write names alone, with commas "
                "between, without scheme, port or path: example.org,www.example.org"
            )
    return hosts or LOCAL_HOSTS


def read_origins(environ: Mapping[str, str], name: str) -> list[str]:
    """The origins that a variable lists."""
    origins = [origin.lower() for origin in _list(environ, name)]  # as browsers send them
    for origin in origins:
        _check_http_url(name, origin, example="https://example.org")
        if urlsplit(origin).path:
            raise ImproperlyConfigured(f"{name} holds {origin!r}; an origin has no path: https://example.org")
    return origins


def read_secret_key(environ: Mapping[str, str], data_dir: Path, *, embedded: bool) -> str:
    """Django's secret key: the one given, or, with the embedded database, one that is made and kept."""
    given = environ.get("SECRET_KEY")
    if given is not None:
        return given
    if not embedded:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. With DATABASE_URL it must be, and be the same for web and worker: "
            "sessions and queued tasks are signed with it. Make one with: python -c 'import secrets; "
            "print(secrets.token_urlsafe(50))'"
        )
    return kept_secret(data_dir / "secret_key", lambda: secrets.token_urlsafe(50))


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in the file at ``path``, which only its owner can read; made at the first use.

    Several processes may be the first: the file appears whole, and the first one's secret stands.
    """
    try:
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as new:
                os.fchmod(new.fileno(), 0o600)
                new.write(make())
                new.flush()
                os.fsync(new.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(new.name, path)
        secret = path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be used: {error.strerror}. Run as the user who owns {path.parent}, or choose "
            "another HONCHO_DATA_DIR."
        ) from error
    if not secret:
        raise ImproperlyConfigured(f"{path} is empty. Remove it, and another is made.")
    return secret


def _check_http_url(name: str, value: str, *, example: str) -> None:
    """Refuse what is no http(s) URL, without showing it: it may hold a password."""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine:
        raise ImproperlyConfigured(f"{name} must be a URL that begins with http:// or https://, such as {example}.")


def _list(environ: Mapping[str, str], name: str) -> list[str]:
    """The values between commas."""
    return [value.strip() for value in environ.get(name, "").split(",") if value.strip()]


def _flag(environ: Mapping[str, str], name: str) -> bool:
    """A yes or a no."""
    value = environ.get(name, "no").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0 (true, yes, on, false, no and off will do), not {value!r}.")


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    value = environ.get(name, default).strip().lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {value!r}.")
    return value


def _number(environ: Mapping[str, str], name: str, kind: type, default: Any, smallest: float, largest: float) -> Any:
    """A number within its bounds."""
    text = environ.get(name)
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not smallest <= value <= largest:
        what = "a whole number" if kind is int else "a number"
        raise ImproperlyConfigured(
            f"{name} must be {what} from {smallest:g} to {largest:g} ({VARIABLES[name]}), not {text!r}."
        )
    return value
