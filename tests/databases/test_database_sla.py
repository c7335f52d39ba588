"""Misses of SLAs over REST, once more with a server's database behind the API server."""

from tests.api.sla.test_sla_api import *  # noqa: F403
