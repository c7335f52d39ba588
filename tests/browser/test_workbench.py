"""The workbench as a whole: every service is healthy, and each role can log in."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tests.support.workbench import ROLES, Workbench

pytestmark = pytest.mark.workbench


def test_every_service_is_healthy(workbench: Workbench) -> None:
    services, deadline = ("metadatabase", "scheduler", "triggerer", "dag_processor"), time.monotonic() + 120
    while (found := health(workbench)) != dict.fromkeys(services, "healthy"):
        # Healthy is what gave a sign of life in the last half minute; the workbench may have stood still.
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def health(workbench: Workbench) -> dict[str, str]:
    told = workbench.client("").get("/api/v2/monitor/health").json()
    return {name: part["status"] for name, part in told.items()}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_a_user_that_gets_a_token(workbench: Workbench, role: str) -> None:
    assert workbench.client(role).get("/ui/auth/me").json()["username"] == role


@pytest.mark.browser
def test_a_developer_logs_in_and_sees_the_name_of_the_product(workbench: Workbench, page: Page) -> None:
    workbench.login(page, "developer")

    expect(page).to_have_title("Home - Couture Workflow")
