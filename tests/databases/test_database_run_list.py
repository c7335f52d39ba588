"""The list of runs, once more with a server's database behind the API server."""

from tests.web.runs.test_web_run_list import *  # noqa: F403
