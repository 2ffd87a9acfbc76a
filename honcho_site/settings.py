"""Settings of the site, from the environment: ``.env.example`` lists it, ``environment.py`` checks it.

Importing this module starts nothing; the embedded PostgreSQL starts at the first connection.
"""

import os
from pathlib import Path
from typing import Any

from honcho_site import environment, logs, metrics, processes

BASE_DIR = Path(__file__).resolve().parent.parent

environment.load_env_file(os.environ, BASE_DIR)
ENVIRONMENT = environment.read(os.environ, BASE_DIR)

HONCHO_DATA_DIR = ENVIRONMENT.data_dir
PORT = ENVIRONMENT.port
WEB_WORKERS = ENVIRONMENT.web_workers

# Before anything makes a metric, in web and worker alike.
metrics.share(HONCHO_DATA_DIR / "metrics")

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.csrf_trusted_origins
CORS_ALLOWED_ORIGINS = ENVIRONMENT.cors_origins

INSTALLED_APPS = [
    "honcho_site.apps.SiteConfig",
    "memory.apps.MemoryConfig",
    "reasoning.apps.ReasoningConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "django_prometheus",
    "django_structlog",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "honcho_site.logs.RequestLog",
    "honcho_site.cors.Cors",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "honcho_site.urls"
WSGI_APPLICATION = "honcho_site.wsgi.application"
APPEND_SLASH = False  # an API that redirects a POST loses it; the admin redirects by itself

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# No pool: the worker forks (see `honcho_site.environment.read_database`).
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        **(
            ENVIRONMENT.database
            or {
                "ENGINE": "honcho_site.embedded_postgres",
                "NAME": "honcho",
                "DATA_DIR": HONCHO_DATA_DIR / "postgres",
                "SERVER_SETTINGS": {},
            }
        ),
    }
}
if ENVIRONMENT.replica is not None:
    # No health check: a replica that has gone away is found out by the read, which then goes to the database.
    DATABASES["replica"] = {"CONN_MAX_AGE": None, **ENVIRONMENT.replica, "TEST": {"MIRROR": "default"}}
    DATABASE_ROUTERS = ["memory.replica.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The cluster tells how it is through a cache, from its process to the web's: through files, which cost no
# query.
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "cluster": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": HONCHO_DATA_DIR / "cache",
    },
}

Q_CLUSTER = {
    "name": "honcho",
    "orm": "default",
    "cache": "cluster",
    "workers": 3,
    "timeout": 240,
    "retry": 900,
    "queue_limit": 2,
    "bulk": 1,
    "poll": 0.5,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": 50,
    "catch_up": False,
    "recycle": 200,
    "label": "Background",
}

if ENVIRONMENT.redis_url is not None:
    # Not the default cache: no request of an agent shall need Redis.
    CACHES["cluster"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENVIRONMENT.redis_url,
        "KEY_PREFIX": "honcho",
    }
    del Q_CLUSTER["orm"]
    Q_CLUSTER["redis"] = ENVIRONMENT.redis_url

HONCHO: dict[str, Any] = {
    "AUTH": True,
    "WAITING_REQUESTS": processes.THREADS - processes.SLOTS,
    "RATE_PER_MINUTE": ENVIRONMENT.rate_per_minute,
    "FOUR_EYES": ENVIRONMENT.four_eyes,
    "WEBHOOK_ALLOW_PRIVATE": ENVIRONMENT.webhook_allow_private,
    "PROVIDER": "openai" if ENVIRONMENT.openai_api_key else "local",
    "OPENAI_API_KEY": ENVIRONMENT.openai_api_key or "",
    "OPENAI_BASE_URL": ENVIRONMENT.openai_base_url or "",
    "MODEL": ENVIRONMENT.model,
    "FALLBACKS": ENVIRONMENT.fallbacks,
    "WORKER_CONCURRENCY": ENVIRONMENT.worker_concurrency,
    "CALLS_PER_CONNECTION": ENVIRONMENT.calls_per_connection,
    "POLL_INTERVAL": ENVIRONMENT.poll_interval,
    "PASS_EVENTS": ENVIRONMENT.batch_size,
    "EMBEDDER": ENVIRONMENT.embedder,
    "SEARCH_LANGUAGES": ENVIRONMENT.search_languages,
}
if ENVIRONMENT.model_timeout is not None:
    HONCHO["MODEL_TIMEOUT"] = ENVIRONMENT.model_timeout
    # The cluster kills a task that takes longer: it may drain for 75 s and then wait for calls.
    Q_CLUSTER["timeout"] = max(240, int(120 + 2 * ENVIRONMENT.model_timeout))
if ENVIRONMENT.context is not None:
    HONCHO["CONTEXT_TOKENS"] = ENVIRONMENT.context
if ENVIRONMENT.embedding_model is not None:
    HONCHO["EMBEDDING_MODEL"] = ENVIRONMENT.embedding_model
if ENVIRONMENT.fallback_after is not None:
    HONCHO["FALLBACK_AFTER_SECONDS"] = ENVIRONMENT.fallback_after
if ENVIRONMENT.interval is not None:
    HONCHO["INTERVAL_SECONDS"] = dict.fromkeys(("user", "observed", "session", "project"), ENVIRONMENT.interval)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = ENVIRONMENT.static_root
# The image has the files collected and names them after their content; `make run` finds them in the apps.
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Plain http on this machine works; where browsers come by https (CSRF_TRUSTED_ORIGINS says so), cookies go by
# https alone and the proxy's X-Forwarded-Proto is believed.
_HTTPS = bool(CSRF_TRUSTED_ORIGINS) and all(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024  # a little over the API's own limit, which answers for itself

REST_FRAMEWORK = {
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "memory.api.errors.exception_handler",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Honcho for Django",
    "DESCRIPTION": "Memory that reasons in the background, for agents.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "honcho_site.openapi.complete"],
    "ENUM_NAME_OVERRIDES": {  # several things have a state, a level or a mode
        "ConclusionLevel": "memory.models.Conclusion.Level",
        "AnswerLevel": "reasoning.answering.levels.LEVELS",
        "SearchMode": "memory.search.Mode",
        "QueryMode": "reasoning.api.query.MODES",
        "ExperimentMode": "reasoning.models.experiments.Experiment.Mode",
        "ExperimentState": "reasoning.models.experiments.Experiment.State",
        "ReprocessState": "reasoning.models.reprocessing.Reprocess.State",
        "ReprocessItemState": "reasoning.models.reprocessing.ReprocessItem.State",
    },
}

LOGGING = logs.logging_config(ENVIRONMENT.log_format, debug=DEBUG)
logs.configure_structlog()
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_USER_ID_FIELD = None
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10  # DEBUG: the line at the request's end says it all
