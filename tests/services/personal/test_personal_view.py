"""Whose stack it is: which names count, where files go, whose the bricks and the examples are."""

from __future__ import annotations

import pytest

from couture_workflow.services.bricks import library as brick_library
from couture_workflow.services.dags import examples as dag_examples
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.personal import view as personal_view
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>ü"


@pytest.mark.parametrize("name", ["alice", " alice\n", "Zoë", "a.b-c_1", "_x", "7", "x" * 200])
def test_a_name_gives_a_view(name: str) -> None:
    view = personal_view.of(name)

    assert (view.user, view.problem) == (name.strip(), "")
    assert view.title == f"{name.strip()}'s workbench"


@pytest.mark.parametrize("name", ["", "   ", "\n"])
def test_nothing_is_nobody_and_no_problem(name: str) -> None:
    assert personal_view.of(name) == personal_view.PersonalView()
    assert personal_view.of(name).title == ""


@pytest.mark.parametrize(
    "name", [HOSTILE, "a b", "a+b", "../x", "a/b", ".git", ".hidden", "a.", "-a", "$USER", "a\nb", "x" * 201]
)
def test_what_is_no_name_is_told_and_ignored(name: str) -> None:
    view = personal_view.of(name)

    assert (view.user, view.title) == ("", "")
    assert view.problem.startswith("COUTURE_WORKFLOW_USER is ignored: ")
    assert "\n" not in view.problem


def test_the_variable_goes_before_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    assert personal_view.present().user == ""
    monkeypatch.setenv(personal_view.OPTION_VARIABLE, "bob")
    assert personal_view.present().user == "bob"
    monkeypatch.setenv("COUTURE_WORKFLOW_USER", "alice")
    assert personal_view.present().user == "alice"
    monkeypatch.setenv("COUTURE_WORKFLOW_USER", " ")
    assert personal_view.present().user == "bob"


def test_an_environment_alone_says_the_same() -> None:
    both = {"COUTURE_WORKFLOW_USER": "alice", personal_view.OPTION_VARIABLE: "bob"}

    assert personal_view.of_environment(both).user == "alice"
    assert personal_view.of_environment({**both, "COUTURE_WORKFLOW_USER": ""}).user == "bob"
    assert personal_view.of_environment({}).user == ""


def test_the_folder_is_where_airflow_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert personal_view.folder(store) == ""
    monkeypatch.setenv("COUTURE_WORKFLOW_USER", "alice")
    assert personal_view.folder(store) == "alice"
    dag_root.choose(store.root, "airflow/dags")
    assert personal_view.folder(store) == "airflow/dags/alice"


def test_a_skeleton_is_owned_by_the_person() -> None:
    def owner(brick: brick_library.Brick) -> list[str]:
        return [parameter.default for parameter in brick.parameters if parameter.name == "owner"]

    skeleton = brick_library.shipped()["dag"]

    assert owner(brick_library.owned_by(skeleton, "alice")) == ["alice"]
    assert brick_library.owned_by(skeleton, "") == skeleton
    own = brick_library.owned_by(skeleton, "carol")
    assert owner(brick_library.owned_by(own, "alice")) == ["carol"], "an owner that somebody chose stays"


def test_two_people_may_copy_the_same_example() -> None:
    alice, bob = (
        dag_examples.copies(["penguins.py"], folder=f"{user}/examples", user=user)
        for user in ("alice", "bob")
    )

    assert b'dag_id="penguins_alice"' in alice["alice/examples/dags/penguins.py"]
    assert b'dag_id="penguins_bob"' in bob["bob/examples/dags/penguins.py"]
