"""A site whose admin has another theme, on the test database of the process that starts it.

django-unfold's own pages need `unsafe-eval` and inline styles, so that such a site cannot have the strict policy.
"""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = ["unfold", *INSTALLED_APPS]
MIDDLEWARE = [each for each in MIDDLEWARE if each != "tests.middleware.strict_policy"]
DATABASES["default"]["NAME"] = os.environ["HONCHO_THEMED_DATABASE"]
