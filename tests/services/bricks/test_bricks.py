"""Code bricks: the texts that are saved, the rules, the code that they give, shipped ones behind own ones."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, InvalidNameError, NotFoundError
from couture_workflow.services.bricks import document as brick_document
from couture_workflow.services.bricks import library as brick_library
from couture_workflow.services.bricks.document import Brick, Parameter
from couture_workflow.services.bricks.rules import check, render
from couture_workflow.store.home import Store

HELLO = Brick(
    name="hello",
    title="Say hello",
    description="Prints.\n\nTwice.",
    tags=("demo", "print"),
    parameters=(
        Parameter("task", "name", "hello", "Name of the function."),
        Parameter("text", "text", 'a "b"'),
        Parameter("times", "integer", "2"),
    ),
    code="""import os
from airflow.sdk import task


@task
def ${task}_task():
    # Prints ${text}
    for _ in range(${times}):
        print("${text}", '${text}', ${text}, f"{os.sep}${text}", r"${times}", "${HOME}")


${task}_task()
""",
)


def run(code: str) -> list[str]:
    printed: list[str] = []
    exec(code, {"print": lambda *words: printed.extend(words), "task": lambda function: function})
    return printed


@pytest.mark.parametrize(
    "text", ["plain", "a 'b' \"c\"", "back\\slash", "two\nlines", "{braces}", "ü\0", "${task}"]
)
def test_a_text_arrives_as_it_was_typed_wherever_it_stands(text: str) -> None:
    rendered = render(HELLO, {"text": text, "times": "1"})

    assert rendered.imports == ("import os", "from airflow.sdk import task")
    assert run("import os\n" + rendered.body) == [text, text, text, "/" + text, "1", "${HOME}"]


def test_code_keeps_its_layout_and_comments() -> None:
    body = render(HELLO, {"task": "greet"}).body

    assert body.startswith('@task\ndef greet_task():\n    # Prints a "b"\n    for _ in range(2):\n')
    assert body.endswith("\n\n\ngreet_task()\n")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"task": "two words"}, "task"),
        ({"task": "import os;"}, "task"),
        ({"times": "many"}, "times"),
        ({"times": "1); print("}, "times"),
        ({"nobody": "x"}, "nobody"),
        ({"times": 'x"'}, "times"),
    ],
)
def test_values_that_do_not_fit_their_type_are_refused_by_name(values: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        render(HELLO, values)

    assert refused.value.field == field
    assert field in str(refused.value)


def test_choices_booleans_numbers_and_code() -> None:
    brick = Brick(
        name="x",
        title="x",
        parameters=(
            Parameter("mode", "choice", "a", choices=("a", "b")),
            Parameter("on", "boolean", "true"),
            Parameter("share", "number", "0.5"),
            Parameter("expression", "code", "[1, 2]"),
        ),
        code="found = (${mode}, ${on}, ${share}, ${expression})",
    )

    assert render(brick, {}).body == 'found = ("a", True, 0.5, [1, 2])\n'
    for values in ({"mode": "c"}, {"on": "perhaps"}, {"share": "nan"}, {"expression": "(1"}):
        with pytest.raises(InvalidError):
            render(brick, values)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"tags": ("<script>",)}, "tags"),
        ({"code": ""}, "code"),
        ({"code": "${task} ${times} ${text} def (:"}, "code"),
        ({"parameters": (Parameter("unused"),)}, "parameters"),
        ({"parameters": (Parameter("task"), Parameter("task"))}, "parameters"),
        ({"parameters": (Parameter("class"),)}, "parameters"),
        ({"parameters": (Parameter("task", "colour"),)}, "parameters"),
        ({"parameters": (Parameter("task", "choice"),)}, "parameters"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check(replace(HELLO, **changes))

    assert refused.value.field == field


def test_a_brick_survives_its_text_and_the_text_is_readable() -> None:
    text = brick_document.dump(HELLO)

    assert brick_document.parse("hello", text) == HELLO
    assert "code: |\n  import os\n" in text
    assert brick_document.dump(brick_document.parse("hello", text)) == text


def test_shipped_bricks_are_whole_python_with_help_for_each_parameter() -> None:
    assert len(brick_library.shipped()) >= 15
    for brick in brick_library.shipped().values():
        check(brick)
        rendered = render(brick, {})
        ast.parse("\n".join(rendered.imports) + "\n" + rendered.body)
        assert brick.description and brick.tags, brick.name
        assert all(parameter.help or parameter.choices for parameter in brick.parameters), brick.name


def test_own_bricks_stand_before_shipped_ones_and_can_go_again(store: Store) -> None:
    shipped = brick_library.get(store, "branch")
    mine = replace(shipped, title="My branch")
    commit = brick_library.save(store, mine, user="ann", base=None)

    assert brick_library.get(store, "branch").title == "My branch"
    assert brick_library.origin(store, "branch") == brick_library.CHANGED
    assert [entry.author for entry in brick_library.history(store, "branch")] == ["ann"]

    reset = brick_library.reset(store, "branch", user="bob", base=commit.id)
    assert brick_library.get(store, "branch") == shipped
    assert brick_library.get(store, "branch", commit=commit.id).title == "My branch"

    brick_library.delete(store, "branch", user="bob", base=reset.id)
    assert "branch" not in {entry.brick.name for entry in brick_library.all_of(store)}
    assert [brick.name for brick in brick_library.hidden(brick_library.all_of(store))] == ["branch"]
    with pytest.raises(NotFoundError):
        brick_library.get(store, "branch")

    brick_library.reset(store, "branch", user="bob", base=store.config.head())
    assert brick_library.get(store, "branch") == shipped


def test_add_find_and_delete_an_own_brick(store: Store) -> None:
    brick_library.save(store, HELLO, user="ann", base=None, new=True)

    listed = brick_library.all_of(store)
    assert [entry.brick.name for entry in brick_library.search(listed, "HELLO prints")] == ["hello"]
    assert "hello" in {entry.brick.name for entry in brick_library.search(listed, "", tag="demo")}
    assert brick_library.search(listed, "hello nowhere") == []
    with pytest.raises(InvalidError, match="already"):
        brick_library.save(store, HELLO, user="ann", base=store.config.head(), new=True)

    brick_library.delete(store, "hello", user="ann", base=store.config.head())
    assert "hello" not in {entry.brick.name for entry in brick_library.all_of(store)}
    with pytest.raises(NotFoundError):
        brick_library.reset(store, "hello", user="ann", base=store.config.head())


def test_two_people_do_not_overwrite_each_other(store: Store) -> None:
    base = brick_library.save(store, HELLO, user="ann", base=None, new=True).id
    brick_library.save(store, replace(HELLO, title="Bob's"), user="bob", base=base)

    with pytest.raises(ConflictError):
        brick_library.save(store, replace(HELLO, title="Ann's"), user="ann", base=base)
    assert brick_library.get(store, "hello").title == "Bob's"


def test_a_damaged_text_is_shown_with_its_problem_and_hurts_no_other(store: Store) -> None:
    store.config.save(
        {"bricks/bad.yaml": b"{", "bricks/README.md": b"x"}, author="ann", message="x", base=None
    )

    listed = {entry.brick.name: entry for entry in brick_library.all_of(store)}
    assert "cannot be read" in listed["bad"].problem
    assert "README" not in listed
    assert listed["branch"].problem == ""


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a'b\"<&>", ".x"])
def test_names_follow_the_rule(store: Store, name: str) -> None:
    with pytest.raises(InvalidNameError):
        brick_library.save(store, replace(HELLO, name=name), user="ann", base=None)
