"""The site's settings with so short times that a worker which hangs notices within seconds.

Drains are short and the schedule's first tick comes late: between them only the watchdog's nudges bring drains.
"""

from tests.crash.settings import *  # noqa: F403
from tests.crash.settings import HONCHO, Q_CLUSTER

HONCHO |= {"DRAIN_SECONDS": 2.0, "WORKER_SILENCE_SECONDS": 3.0, "MODEL_TIMEOUT": 1.0}
Q_CLUSTER |= {"poll": 0.2}
