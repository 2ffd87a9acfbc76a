"""The site's settings with short times, so that what a crash leaves behind is taken up soon."""

from honcho_site.settings import *  # noqa: F403
from honcho_site.settings import HONCHO

HONCHO |= {
    "SETTLE_SECONDS": 0.05,
    "INTERVAL_SECONDS": dict.fromkeys(("user", "observed", "session", "project"), 0.0),
    "PASS_EVENTS": 6,
    "LEASE_SECONDS": 2.0,
    "POLL_INTERVAL": 1.0,
    "MODEL_TIMEOUT": 4.0,
    "DRAIN_SECONDS": 75.0,
}
