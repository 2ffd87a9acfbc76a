"""Structured logs to stderr: one JSON object per line (or readable lines), with the id of the request.

What people said and what is secret stays out: no query strings, no bodies, and of a database error not the
part that quotes the row.
"""

import logging
from typing import Any

import structlog
from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware

QUOTING = ("DETAIL:", "CONTEXT:", "LINE ")  # lines of a PostgreSQL error that hold values


class RequestLog(RequestMiddleware):
    """Logs each request under an id of its own, without its query string."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """The method and the path."""
        return f"{request.method} {request.path}"


def without_values(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut the lines of a database error that quote values out of a traceback."""
    trace = event.get("exception")
    if isinstance(trace, str):
        event["exception"] = "\n".join(line for line in trace.splitlines() if not line.lstrip().startswith(QUOTING))
    return event


def logging_config(log_format: str, *, debug: bool) -> dict[str, Any]:
    """Django's LOGGING: everything through structlog's processors, to stderr."""
    renderer: Any = structlog.processors.JSONRenderer()
    if log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*shared_processors(), structlog.stdlib.ExtraAdder(allow=())],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    without_values,
                    renderer,
                ],
            }
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured"},
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Django's own account of requests repeats ours.
            "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "django.request": {"handlers": ["stderr"], "level": "CRITICAL", "propagate": False},
            "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "django-q": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
            "django_structlog": {"level": "DEBUG" if debug else "INFO"},
        },
    }


def shared_processors() -> list[structlog.typing.Processor]:
    """What is done to every line, whoever wrote it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def configure_structlog() -> None:
    """Send structlog's own loggers the same way as the standard ones."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared_processors(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def quiet(level: int = logging.WARNING) -> None:
    """Say only what matters, for commands whose own output is for people."""
    logging.getLogger().setLevel(level)
