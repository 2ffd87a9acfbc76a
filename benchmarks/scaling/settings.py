"""The site's settings for these runs: no pause before what is due, and a lease that a killed drainer soon loses."""

from honcho_site.settings import *  # noqa: F403
from honcho_site.settings import HONCHO

HONCHO |= {
    "SETTLE_SECONDS": 0.05,
    "INTERVAL_SECONDS": dict.fromkeys(("user", "observed", "session", "project"), 0.0),
    "LEASE_SECONDS": 10.0,
    "CONSOLIDATE": False,
}
