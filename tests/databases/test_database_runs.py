"""Run details and the pages of runs, once more with a server's database behind the API server."""

from tests.web.runs.test_web_runs import *  # noqa: F403
