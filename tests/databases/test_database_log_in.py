"""Log-in, tokens and what ends them, once more with a server's database behind the API server."""

from tests.web.test_web_log_in import *  # noqa: F403
