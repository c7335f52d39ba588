"""DAG files made from a template and a list: what is written, what is refused, what is left alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from couture_workflow.cli import main
from couture_workflow.exceptions import InvalidError
from couture_workflow.services.dags import generating

EXAMPLE = Path(__file__).parents[3] / "examples" / "providers"
TEMPLATE = (
    '"""What ${{ name | text }} delivers."""\nURL = ${{ url }}\n${% for table in tables %}\n'
    'load(${{ table }}, "{{ ds }}")\n${% endfor %}\n'
)
HOSTILE = "a'b\"<&>/../ü\n\\ {{ ds }} ${{ name }}"


def make(folder: Path, entries: str, *, template: str = TEMPLATE) -> generating.Plan:
    """Write both files and carry out what they say."""
    (folder / "provider.py.jinja").write_text(template)
    (folder / "providers.yaml").write_text(entries)
    plan = generating.plan(folder / "provider.py.jinja", folder / "providers.yaml", folder / "dags")
    plan.carry_out()
    return plan


def made(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "dags").iterdir())


def test_each_entry_becomes_a_file_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    entries = (
        f"- {{name: ü-1, url: {HOSTILE!r}, tables: [a, b]}}\n- {{name: two, url: 2026-01-01, tables: []}}\n"
    )
    entries = entries.replace(repr(HOSTILE), '"a\'b\\"<&>/../ü\\n\\\\ {{ ds }} ${{ name }}"')

    first, again = make(tmp_path, entries), make(tmp_path, entries)

    assert (len(first.written), first.same, len(again.written), again.same) == (2, 0, 0, 2)
    assert made(tmp_path) == ["two.py", "ü-1.py"]
    text = (tmp_path / "dags" / "ü-1.py").read_text()
    assert text.splitlines()[-2:] == ['load("a", "{{ ds }}")', 'load("b", "{{ ds }}")']
    values = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    assert HOSTILE in values
    assert 'URL = "2026-01-01"' in (tmp_path / "dags" / "two.py").read_text()


def test_files_of_entries_that_are_gone_are_removed_and_others_are_left(tmp_path: Path) -> None:
    make(tmp_path, "one: {url: 1, tables: []}\ntwo: {url: 2, tables: []}")
    (tmp_path / "dags" / "own.py").write_text("# by hand\n")

    plan = make(tmp_path, "two: {url: 3, tables: []}")

    assert ([path.name for path in plan.removed], len(plan.written)) == (["one.py"], 1)
    assert made(tmp_path) == ["own.py", "two.py"]


@pytest.mark.parametrize("entries", ["one: {url: 2, tables: []}", "two: {url: 1, tables: []}"])
def test_what_a_person_changed_is_neither_overwritten_nor_removed(tmp_path: Path, entries: str) -> None:
    make(tmp_path, "one: {url: 1, tables: []}")
    file = tmp_path / "dags" / "one.py"
    file.write_text(f"{file.read_text()}# by hand\n")

    with pytest.raises(InvalidError, match='"one.py" .* was changed by hand since it was made'):
        make(tmp_path, entries)

    assert made(tmp_path) == ["one.py"] and file.read_text().endswith("# by hand\n")


@pytest.mark.parametrize("there", ["# by hand\n", None])
def test_a_file_that_was_not_made_so_is_not_overwritten(tmp_path: Path, there: str | None) -> None:
    (tmp_path / "dags").mkdir()
    file = tmp_path / "dags" / "one.py"
    file.write_text(there) if there else file.symlink_to("/etc/hostname")

    with pytest.raises(InvalidError, match='"one.py" would be overwritten, and was not made from'):
        make(tmp_path, "one: {url: 1, tables: []}")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ('- {name: "a\'b<&>/../ü"}', "entry 1 of providers.yaml .* is refused"),
        (f"- {{name: {'x' * 10_000}}}", "is refused"),
        ("- {name: ../up}", "is refused"),
        ("- {name: A}\n- {name: a}", 'has "A" twice'),
        ("- {name: 1}", "Entry 1 of providers.yaml has no name"),
        ("- {name: a, n: .nan}", "neither text, number"),
        ("a: &a {}\nb: *a", "an alias such as"),
        ("[", "is no YAML"),
        ("5", "is no list"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, entries: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        make(tmp_path, entries)
    assert not (tmp_path / "dags").exists()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("\n${% for a in name %}", "provider.py.jinja, line 2, for .*endfor"),
        ("\n${{ nothing }}", "provider.py.jinja, line 2, for .*'nothing' is undefined"),
        ("${{ name.__class__.__mro__ }}", "unsafe"),
        ("x = (\n${{ name }}", 'The file that provider.py.jinja makes, line 1, for "one": it is not Python'),
        ("x = '${{ url | text }}'", "the filter text inserts only"),
        ("${% for a in range(99999) %}# long long long\n${% endfor %}", "larger than 1 MiB"),
        (f"x = {'-' * 300_000}1", "cannot be rendered .* nested too deeply"),
    ],
)
def test_a_template_that_makes_no_python_is_refused(tmp_path: Path, template: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        make(tmp_path, 'one: {url: "\'"}', template=template)


def test_a_template_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generating, "PATIENCE", 0.5)
    loop = "${% for a in range(99999) %}"

    with pytest.raises(InvalidError, match="cannot be rendered .* Look for a loop that does not end"):
        make(tmp_path, "one: {}", template=f"{loop * 3}{'${% endfor %}' * 3}")


def test_five_hundred_entries_are_made_in_one_go(tmp_path: Path) -> None:
    entries = "\n".join(f"p{number}: {{url: {number}, tables: [a, b]}}" for number in range(500))

    assert len(make(tmp_path, entries).written) == 500


def test_the_shipped_example_is_what_its_template_and_list_make(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLE)
    command = ["dags", "generate", "provider.py.jinja", "providers.yaml", "--into", "dags", "--check"]

    assert main(command) == 0
    assert capsys.readouterr().out == "0 file(s) would be written, 0 removed, 2 unchanged.\n"
