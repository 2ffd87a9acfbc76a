"""The site's settings with so short times that hours of bad luck fit into half a minute."""

import os

from honcho_site.settings import *  # noqa: F403
from honcho_site.settings import HONCHO, INSTALLED_APPS, Q_CLUSTER
from tests.faults import clock

clock.skew(float(os.environ.get("FAULTS_CLOCK_OFFSET", "0")))
LEASE_SECONDS = float(os.environ.get("FAULTS_LEASE_SECONDS", "3"))

HONCHO |= {
    "SETTLE_SECONDS": 0.05,
    "INTERVAL_SECONDS": dict.fromkeys(("user", "observed", "session", "project"), 0.0),
    "LEASE_SECONDS": LEASE_SECONDS,
    "POLL_INTERVAL": 1.0,
    "MODEL_TIMEOUT": 3.0,
    "DRAIN_SECONDS": 8.0,
    "WORKER_SILENCE_SECONDS": LEASE_SECONDS,
}
Q_CLUSTER |= {"poll": 0.2}
INSTALLED_APPS += ["tests.faults.apps.ShortTimes"]
