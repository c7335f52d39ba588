"""The workbench as a whole: every service is healthy, and each role can log in."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.workbench import ROLES, Workbench

pytestmark = pytest.mark.workbench


def test_every_service_is_healthy(workbench: Workbench) -> None:
    health = workbench.client("").get("/api/v2/monitor/health").json()

    assert {name: part["status"] for name, part in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "triggerer": "healthy",
        "dag_processor": "healthy",
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_a_user_that_gets_a_token(workbench: Workbench, role: str) -> None:
    assert workbench.client(role).get("/ui/auth/me").json()["username"] == role


@pytest.mark.browser
def test_a_developer_logs_in_and_sees_the_name_of_the_product(workbench: Workbench, page: Page) -> None:
    workbench.login(page, "developer")

    expect(page).to_have_title("Home - Couture Workflow")
