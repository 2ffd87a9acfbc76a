"""The site as it is in production, with the floors beside its addresses."""

from honcho_site.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.load.urls"
