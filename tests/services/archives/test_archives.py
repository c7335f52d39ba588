"""Export and import: what goes out comes in again, secrets stay, and nothing is ever half done."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import (
    ArchiveError,
    ConflictError,
    CorruptError,
    GateError,
    InvalidError,
    NotFoundError,
    TooLargeError,
)
from couture_workflow.services.archives import import_export
from couture_workflow.services.archives import uploads as archive_uploads
from couture_workflow.services.archives.import_export import Noun
from couture_workflow.services.git import remote
from couture_workflow.services.mail import configuration as mail_configuration
from couture_workflow.services.mail.document import Server
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.store import trees
from couture_workflow.store.git_process import Git
from couture_workflow.store.home import Store
from tests.support.packing import jar, packed, unpacked
from tests.support.processes import forked, wait_for

DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(dag_id="{0}", schedule=None):
    EmptyOperator(task_id="a")
"""
OLD_DAG = """
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator

with DAG(dag_id="old", schedule_interval=None):
    DummyOperator(task_id="a")
"""
BRICK = "title: A brick\ndescription: ''\ncode: |\n  x = 1\n"
XML = (
    "<configuration><property><name>fs.s3a.secret.key</name><value>{}</value></property>"
    "<property><name>fs.defaultFS</name><value>hdfs://a</value></property></configuration>"
)


def exported(store: Store, noun: Noun) -> bytes:
    return b"".join(import_export.write(import_export.export(store, noun)))


class Importer:
    """Imports into a store."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.path = folder / "x.tar.gz"

    def plan(self, noun: Noun, content: bytes, **choices: Any) -> import_export.Plan:
        self.path.write_bytes(content)
        source = import_export.load(self.store, noun, self.path)
        return import_export.plan(self.store, source, **choices).plan

    def __call__(self, noun: Noun, content: bytes, **choices: Any) -> import_export.Applied:
        self.path.write_bytes(content)
        source = import_export.load(self.store, noun, self.path)
        prepared = import_export.plan(self.store, source, gate=False, **choices)

        def save_dags(changes: Mapping[str, bytes], base: str | None) -> str:
            return dag_saving.save(self.store, changes, user="ann", message="m", base=base).commit.id

        return import_export.apply(self.store, source, prepared, user="ann", message="", save_dags=save_dags)


@pytest.fixture
def importer(store: Store, tmp_path: Path) -> Importer:
    return Importer(store, tmp_path)


@pytest.fixture
def other(store: Store, tmp_path: Path) -> Store:
    """Return a second workbench with something of every kind."""
    other = Store.open(tmp_path / "other home")
    other.dependencies.put("lib.jar", [jar()], user="bob")
    other.dependencies.put("lib.jar", [jar("2")], user="bob")
    other.artifacts.put("job.py", [b"x = 1\n"], user="bob")
    spark_configuration.save(
        other,
        SparkConfiguration(
            arguments={"master": "local[2]"},
            configurations={"spark.hadoop.fs.s3a.secret.key": "s3cr3t", "spark.ui.enabled": "false"},
            jars=("lib.jar",),
        ),
        user="bob",
        base=None,
    )
    files = {"hadoop/prod/core-site.xml": XML.format("t0ken").encode(), "bricks/one.yaml": BRICK.encode()}
    other.config.save(files, author="bob", message="", base=other.config.head())
    dags = {
        "one.py": DAG.format("one").encode(),
        "lib/__init__.py": b"",
        "sql/__init__.py": b"",
        "sql/q.sql": b"q",
    }
    other.dags.save(dags, author="bob", message="", base=None)
    return other


@pytest.mark.slow
@pytest.mark.parametrize("noun", import_export.NOUNS)
def test_what_is_exported_comes_in_elsewhere_and_is_then_the_same(
    noun: Noun, other: Store, store: Store, importer: Importer
) -> None:
    content = exported(other, noun)
    if noun == "configs":
        store.dependencies.put("lib.jar", [jar()], user="ann")

    plan = importer.plan(noun, content)
    assert {item.action for item in plan.items} == {"create"}
    assert plan.missing == ()
    importer(noun, content)

    assert {item.action for item in importer.plan(noun, content).items} == {"same"}
    head = store.dags.head() if noun == "dags" else store.config.head()
    again = importer(noun, content)
    assert again.commit == ""
    assert (store.dags.head() if noun == "dags" else store.config.head()) == head
    if noun != "configs":
        assert exported(store, noun) == content
    assert exported(other, noun) == content


def test_secrets_never_leave(other: Store) -> None:
    content = exported(other, "configs")

    text = gzip.decompress(content)
    assert b"s3cr3t" not in text
    assert b"t0ken" not in text
    assert b"gAAAA" not in text
    files = unpacked(content)
    assert json.loads(files["couture-workflow.json"])["left_out"] == {
        "configs/hadoop/prod/core-site.xml": ["fs.s3a.secret.key"],
        "configs/spark.yaml": ["spark.hadoop.fs.s3a.secret.key"],
    }


def test_the_git_remote_is_each_installations_own(other: Store, store: Store, importer: Importer) -> None:
    for place, url in ((other, "https://git.example.org/theirs"), (store, "https://git.example.org/ours")):
        remote.save(place, remote.Remote(url=url), user="ann", base=None)
    content = exported(other, "configs")
    earlier = packed(
        {"configs/spark.yaml": b"arguments: {master: yarn}\n", "configs/dag-repository.yaml": b"url: x\n"}
    )

    assert "configs/dag-repository.yaml" not in unpacked(content)
    held = import_export.holdings(other, "configs", readable=lambda _resource: True)
    assert {each.what: each.files for each in held}["Spark settings"] == 1
    store.dependencies.put("lib.jar", [jar()], user="ann")
    importer("configs", content)
    plan = importer.plan("configs", earlier, on_conflict="replace")
    importer("configs", earlier, on_conflict="replace")
    assert [item.path for item in plan.items] == ["spark.yaml"]
    assert any("each installation is its own" in note for note in plan.notes)
    assert remote.load(store).url == "https://git.example.org/ours"


def test_the_mail_server_is_each_installations_own(other: Store, store: Store, importer: Importer) -> None:
    for place, host in ((other, "theirs.example.org"), (store, "ours.example.org")):
        server = Server(host=host, sender="workbench@example.org")
        mail_configuration.save(place, server, typed="", user="ann", base=None)
    content = exported(other, "configs")
    earlier = packed({"configs/mail.yaml": b"host: x\n"})

    assert "configs/mail.yaml" not in unpacked(content)
    store.dependencies.put("lib.jar", [jar()], user="ann")
    importer("configs", content)
    plan = importer.plan("configs", earlier, on_conflict="replace")
    assert not plan.items
    assert plan.notes[0].endswith(": the mail server of each installation is its own.")
    assert mail_configuration.read(store).server.host == "ours.example.org"


def test_secrets_that_are_here_stay(other: Store, store: Store, importer: Importer) -> None:
    content = exported(other, "configs")
    store.dependencies.put("lib.jar", [jar()], user="ann")
    secrets = {"spark.hadoop.fs.s3a.secret.key": "mine", "spark.my.password": "too"}
    spark_configuration.save(store, SparkConfiguration(configurations=secrets), user="ann", base=None)
    head = store.config.head()
    store.config.save(
        {"hadoop/prod/core-site.xml": XML.format("mine").encode()}, author="ann", message="", base=head
    )

    applied = importer("configs", content)

    settings = spark_configuration.load(store)
    assert settings.configurations == {"spark.ui.enabled": "false", **secrets}
    assert settings.arguments == {"master": "local[2]"}
    assert store.config.read("hadoop/prod/core-site.xml") == XML.format("mine").encode()
    assert applied.plan.notes == ()
    assert len(store.config.history()) == 3
    assert store.config.history()[0].message == "Import 2 files"


def test_secrets_that_are_nowhere_are_told(other: Store, store: Store, importer: Importer) -> None:
    store.dependencies.put("lib.jar", [jar()], user="ann")

    notes = importer("configs", exported(other, "configs")).plan.notes

    assert len(notes) == 2
    assert all("Enter it after the import" in note for note in notes)
    assert store.config.read("hadoop/prod/core-site.xml") == XML.format("").encode()


def test_secret_in_an_archive_of_somebody_else_is_sealed(store: Store, importer: Importer) -> None:
    text = "configurations:\n  spark.my.password: clear\n  spark.sealed.token: {secret: gAAAA}\n"

    plan = importer("configs", packed({"spark.yaml": text})).plan

    assert spark_configuration.load(store).configurations == {"spark.my.password": "clear"}
    assert b"clear" not in store.config.read("spark.yaml")
    assert "spark.sealed.token" in plan.notes[0]


def test_file_that_the_spark_configuration_names_must_be_here(
    other: Store, store: Store, importer: Importer
) -> None:
    content = exported(other, "configs")

    (missing,) = importer.plan("configs", content).missing
    assert (missing.path, missing.reference, missing.blocks) == ("spark.yaml", "lib.jar", True)
    with pytest.raises(InvalidError, match="Nothing was imported: .*lib.jar"):
        importer("configs", content)
    assert store.config.head() is None


def test_what_may_not_be_read_is_not_exported(other: Store) -> None:
    made = import_export.export(other, "configs", readable=lambda resource: resource != "Code Bricks")

    assert [entry.path for entry in made.entries] == [
        "configs/hadoop/prod/core-site.xml",
        "configs/spark.yaml",
    ]
    made = import_export.export(other, "dependencies", readable=lambda resource: resource == "Code Artifacts")
    assert [entry.path for entry in made.entries] == ["artifacts/job.py"]


def test_settings_of_others_are_read(store: Store, importer: Importer) -> None:
    text = "# comment\nspark.master  yarn\nspark.submit.deployMode=cluster\nspark.ui.enabled: false\n"

    importer("configs", packed({"conf/spark-defaults.conf": text}))

    settings = spark_configuration.load(store)
    assert settings.arguments == {"master": "yarn", "deploy-mode": "cluster"}
    assert settings.configurations == {"spark.ui.enabled": "false"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": ""}, r"is no configuration"),
        ({"spark.yaml": "a: ["}, r"cannot be read as Spark settings"),
        ({"spark.yaml": "- a"}, r"no mapping of sections"),
        ({"spark.yaml": "setings: {}"}, r"no section setings"),
        ({"spark.yaml": "version: 9"}, r"its version is 9"),
        ({"spark.yaml": "arguments: {master: [1]}"}, r"value of master is no text"),
        ({"spark.yaml": "arguments: {mastre: yarn}"}, r"Did you mean master"),
        ({"spark.yaml": "", "spark-defaults.conf": ""}, r"more than once"),
        ({"spark-defaults.conf": "spark.x"}, r"line 1 has no value"),
        ({"hadoop/a/x.xml": "<a>", "bricks/one.yaml": BRICK}, r"not well-formed"),
        ({"hadoop/a/x.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, r"document type"),
        ({"hadoop/x.xml": "<a/>"}, r"is no configuration"),
        ({"bricks/one.yaml": "code: ["}, r"no sound brick"),
    ],
)
def test_odd_configurations_are_refused(
    files: dict[str, bytes | str], message: str, store: Store, importer: Importer
) -> None:
    with pytest.raises(InvalidError, match=message):
        importer("configs", packed(files))

    assert store.config.head() is None


@pytest.mark.parametrize("top", ["", "./", "dags/", "./dags/"])
def test_dags_as_people_have_them_come_in(top: str, store: Store, importer: Importer) -> None:
    applied = importer("dags", packed({f"{top}a.py": DAG.format("a"), f"{top}b/c.sql": "select 1"}))

    assert store.dags.paths() == ("a.py", "b/c.sql")
    assert store.dags.history()[0].id == applied.commit


def test_folder_that_is_not_called_dags_is_kept(store: Store, importer: Importer) -> None:
    importer("dags", packed({"team/a.py": DAG.format("a")}))

    assert store.dags.paths() == ("team/a.py",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "expected"), [("replace", "update"), ("skip", "skip"), ("fail", "conflict")]
)
def test_choice_for_what_is_here_with_another_content(
    choice: str, expected: str, store: Store, importer: Importer
) -> None:
    importer("dags", packed({"a.py": DAG.format("a"), "b.py": DAG.format("b")}))
    head = store.dags.head()
    content = packed({"a.py": DAG.format("new"), "b.py": DAG.format("b"), "c.py": DAG.format("c")})

    plan = importer.plan("dags", content, on_conflict=choice)

    assert [item.action for item in plan.items] == [expected, "same", "create"]
    assert plan.counts[expected] == 1
    if choice == "fail":
        with pytest.raises(ConflictError, match=r"a.py is here with another content") as refused:
            importer("dags", content, on_conflict=choice)
        assert refused.value.paths == ("a.py",)
        assert store.dags.head() == head
    else:
        importer("dags", content, on_conflict=choice)
        assert store.dags.paths() == ("a.py", "b.py", "c.py")
        assert (b"new" in store.dags.read("a.py")) is (choice == "replace")
        assert len(store.dags.history()) == 2


def test_gate_keeps_the_whole_archive_out(store: Store, importer: Importer) -> None:
    content = packed({"good.py": DAG.format("good"), "bad.py": "from airflow.sdk import DAG\ndef (\n"})

    plan = importer.plan("dags", content)
    assert plan.gate is not None
    assert plan.gate["passed"] is False
    assert plan.gate["problems"][0]["path"] == "bad.py"
    with pytest.raises(GateError):
        importer("dags", content)
    assert store.dags.head() is None


def test_artifact_that_a_dag_names_and_that_is_nowhere_is_told(importer: Importer) -> None:
    text = (
        "from airflow.sdk import DAG\nfrom couture_workflow.operators import CouturePySparkOperator\n"
        'with DAG(dag_id="a", schedule=None):\n'
        '    CouturePySparkOperator(task_id="t", code_artifact="nowhere.py")\n'
    )

    plan = importer.plan("dags", packed({"a.py": text}))

    assert [(missing.path, missing.blocks) for missing in plan.missing] == [("a.py", False)]
    assert "nowhere.py" in plan.missing[0].message


@pytest.mark.slow
def test_old_dags_are_upgraded_if_that_is_asked_for(store: Store, importer: Importer) -> None:
    content = packed({"dags/old.py": OLD_DAG})

    plan = importer.plan("dags", content, upgrade=True)
    assert plan.upgraded["old.py"]["changes"]
    assert plan.gate == {"passed": True, "problems": plan.gate["problems"]}  # type: ignore[index]
    importer("dags", content, upgrade=True)

    assert b"schedule_interval" not in store.dags.read("old.py")
    assert {item.action for item in importer.plan("dags", content, upgrade=True).items} == {"same"}
    with pytest.raises(InvalidError, match="Only DAGs can be upgraded"):
        importer.plan("configs", packed({"spark.yaml": "arguments: {}"}), upgrade=True)


def test_links_and_submodules_are_left_out_of_an_export_and_named(store: Store) -> None:
    store.dags.save({"a.py": b"1"}, author="ann", message="", base=None)
    with store.dags.writing() as git:
        blob = git.text("hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
        git.run("read-tree", "refs/heads/main")
        lines = f"{trees.LINK} {blob}\tlink\0{trees.FILE} {blob}\todd\tname.py\0"
        git.run("update-index", "-z", "--index-info", stdin=lines.encode())
        tree = git.text("write-tree")
        commit = git.text("-c", "user.name=a", "-c", "user.email=b", "commit-tree", tree, stdin=b"m")
        git.run("update-ref", "refs/heads/main", commit)

    made = import_export.export(store, "dags")

    assert [entry.path for entry in made.entries] == ["dags/a.py"]
    assert made.manifest.left_out == {
        "dags/link": ("it is a symbolic link",),
        "dags/odd\tname.py": ("its name has characters that no archive should have",),
    }


def test_an_export_with_the_same_content_again_and_again_takes_one_git_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, bytes | None] = {
        f"{folder}/{name}": content
        for folder in "abcdef"
        for name, content in {"__init__.py": b"", "same.py": b"x = 1\n", "own.py": folder.encode()}.items()
    }
    store.dags.save(files, author="ann", message="", base=None)
    made = import_export.export(store, "dags")
    started: list[str] = []
    reading = Git.reading
    monkeypatch.setattr(
        Git,
        "reading",
        lambda git, *words, **options: started.append(words[0]) or reading(git, *words, **options),
    )

    written = b"".join(import_export.write(made))

    assert {path: text for path, text in unpacked(written).items() if path.startswith("dags/")} == {
        f"dags/{path}": content for path, content in files.items()
    }
    assert started == ["cat-file"]
    assert b"".join(made.entries[-1].read()) == b"x = 1\n"
    assert b"".join(made.entries[1].read()) == b"a"


def test_empty_workbench_exports_and_imports_nothing(store: Store, importer: Importer) -> None:
    for noun in import_export.NOUNS:
        assert list(unpacked(exported(store, noun))) == ["couture-workflow.json"]
        assert importer(noun, exported(store, noun)).plan.items == ()


def test_dependencies_as_people_have_them_come_in(store: Store, importer: Importer) -> None:
    files = {"bundle/a.jar": jar(), "bundle/py-files/b.py": "x = 1\n", "bundle/artifacts/c.py": "def (\n"}

    plan = importer("dependencies", packed(files)).plan

    assert [file.name for file in store.dependencies.list()] == ["a.jar", "b.py"]
    assert [file.name for file in store.artifacts.list()] == ["c.py"]
    assert "does not compile" in plan.items[0].note
    assert store.dependencies.get("a.jar").uploaded_by == "ann"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.jar": b"no zip"}, r"not a sound .jar"),
        ({"a.txt": b""}, r"must end in"),
        ({"x/a.jar": jar(), "y/b.jar": jar()}, r"folder that means nothing"),
        ({"a.jar": jar(), "jars/A.jar": jar()}, r"would be one file"),
    ],
)
def test_odd_dependencies_are_refused(
    files: dict[str, bytes | str], message: str, store: Store, importer: Importer
) -> None:
    with pytest.raises(ArchiveError, match=message):
        importer("dependencies", packed(files))

    assert store.dependencies.list() == store.artifacts.list() == ()


def test_damaged_content_is_noticed_before_the_export_begins(store: Store) -> None:
    store.dependencies.put("a.jar", [jar()], user="ann")
    store.dependencies.path("a.jar").unlink()

    with pytest.raises(CorruptError):
        import_export.export(store, "dependencies")


def test_archive_of_another_noun_is_refused(other: Store, importer: Importer) -> None:
    with pytest.raises(ArchiveError, match=r"archive of dags, not of configs. Import it as dags"):
        importer("configs", exported(other, "dags"))


def test_save_between_plan_and_import_is_a_conflict(store: Store, importer: Importer) -> None:
    importer.path.write_bytes(packed({"spark.yaml": "arguments: {master: yarn}"}))
    source = import_export.load(store, "configs", importer.path)
    prepared = import_export.plan(store, source)
    spark_configuration.save(store, SparkConfiguration(arguments={"master": "local"}), user="bob", base=None)

    with pytest.raises(ConflictError):
        import_export.apply(store, source, prepared, user="ann", message="", save_dags=lambda *_: "")

    assert spark_configuration.load(store).arguments == {"master": "local"}


def test_upload_between_plan_and_import_is_a_conflict(store: Store, importer: Importer) -> None:
    importer.path.write_bytes(packed({"a.jar": jar("1"), "b.jar": jar("1")}))
    source = import_export.load(store, "dependencies", importer.path)
    prepared = import_export.plan(store, source)
    store.dependencies.put("b.jar", [jar("other")], user="bob")

    with pytest.raises(ConflictError):
        import_export.apply(store, source, prepared, user="ann", message="", save_dags=lambda *_: "")

    assert [(file.name, file.uploaded_by) for file in store.dependencies.list()] == [("b.jar", "bob")]


def test_token_tells_whether_the_import_would_still_do_the_same(store: Store, importer: Importer) -> None:
    content = packed({"a.py": "x = 1\n"})
    token = importer.plan("dags", content).token

    store.dags.save({"other.py": b"y = 1\n"}, author="bob", message="", base=None)
    assert importer.plan("dags", content).token == token
    store.dags.save({"a.py": b"z = 1\n"}, author="bob", message="", base=store.dags.head())
    assert importer.plan("dags", content).token != token


@pytest.mark.slow
def test_imports_at_once_are_never_mixed(store: Store, tmp_path: Path) -> None:
    def work(who: int) -> None:
        importer = Importer(store, tmp_path / str(who))
        importer.path.parent.mkdir()
        for number in range(8):
            while True:
                text = f"{who}.{number}"
                files = {name: f"# {text}\n" for name in ("a.py", "b.py", "c/d.py")}
                try:
                    importer("dags", packed(files))
                    importer("dependencies", packed({"a.py": text, "b.py": text}))
                except ConflictError:
                    continue
                break

    for child in [forked(lambda who=who: work(who)) for who in range(3)]:
        wait_for(child)

    assert len({store.dags.read(path) for path in store.dags.paths()}) == 1
    assert len({file.sha256 for file in store.dependencies.list()}) == 1
    for commit in store.dags.history(limit=100):
        assert len({store.dags.read(path, commit=commit.id) for path in ("a.py", "b.py", "c/d.py")}) == 1


def test_uploads_are_kept_for_their_sender_and_swept(store: Store) -> None:
    with archive_uploads.ArchiveUpload(store, name="x.tar.gz") as upload:
        upload.write(b"abc")
        kept = upload.keep("dags", user="ann")

    found, path = archive_uploads.kept(store, kept.id, user="ann")
    assert (found.noun, found.name, path.read_bytes()) == ("dags", "x.tar.gz", b"abc")
    for number, user in ((kept.id, "bob"), ("0" * 32, "ann"), ("../version", "ann")):
        with pytest.raises(NotFoundError):
            archive_uploads.kept(store, number, user=user)
    assert archive_uploads.sweep(store) == []
    assert len(archive_uploads.sweep(store, older_than=-1)) == 2
    assert list(store.imports.iterdir()) == []


def test_upload_that_is_left_is_gone_and_a_large_one_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__MAX_UPLOAD_SIZE", "10")
    with pytest.raises(TooLargeError), archive_uploads.ArchiveUpload(store) as upload:
        upload.write(bytes(11))
    with pytest.raises(TooLargeError):
        archive_uploads.ArchiveUpload(store, announced=11)

    assert list(store.imports.iterdir()) == []


def test_limits_are_options(store: Store, importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__MAX_ARCHIVE_TEXT_SIZE", "20000")

    with pytest.raises(TooLargeError, match="max_archive_text_size"):
        importer("dags", packed({"a.py": "#" * 30_000}))
