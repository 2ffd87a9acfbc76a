"""Settings of the tests: the site's, with a database of their own and none of the machine's variables.

The tests run on the embedded PostgreSQL in ``var/test``, or, where DATABASE_URL is given, on that server.
"""

import os
from pathlib import Path

from honcho_site import environment

for _name in environment.VARIABLES:
    if _name not in ("DATABASE_URL", "HONCHO_ENV_FILE"):
        os.environ.pop(_name, None)
for _name in [name for name in os.environ if environment.misspelt(name)]:
    del os.environ[_name]
os.environ["HONCHO_DATA_DIR"] = os.environ.get(
    "HONCHO_TEST_DATA_DIR", str(Path(__file__).resolve().parent.parent / "var" / "test")
)
os.environ["HONCHO_ENV_FILE"] = os.devnull
os.environ.setdefault("SECRET_KEY", "a key that signs nothing but tests")
# One run, one set of test databases: the workers of pytest-xdist inherit this from the process that starts
# them.
os.environ.setdefault("HONCHO_TEST_RUN", str(os.getpid()))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(
    Path(os.environ["HONCHO_DATA_DIR"]) / "metrics" / os.environ["HONCHO_TEST_RUN"]
)

from honcho_site.settings import *  # noqa: E402, F403
from honcho_site.settings import DATABASES, MIDDLEWARE  # noqa: E402

DATABASES["default"]["TEST"] = {"NAME": f"test_honcho_{os.environ['HONCHO_TEST_RUN']}"}
if DATABASES["default"]["ENGINE"] == "honcho_site.embedded_postgres":
    # What a test run writes is not worth waiting for the disk.
    DATABASES["default"]["SERVER_SETTINGS"] = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        # Databases are dropped all the time, each with a checkpoint: a standby that is being made still needs the log.
        "wal_keep_size": "1GB",
    }

# All pages are shown under it. (The live server reads this once: a test cannot set it.)
MIDDLEWARE.insert(0, "tests.middleware.strict_policy")

# Files are looked up when they are asked for, not all at once for each client of a test.
WHITENOISE_AUTOREFRESH = True

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
