"""Models in jobs: which version a reference is, where it lies, what Spark is given."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from couture_workflow.exceptions import ArchiveError, InvalidError, InvalidNameError, NotFoundError
from couture_workflow.plugin import model_path
from couture_workflow.services.models import jobs, library, registering
from couture_workflow.services.spark.command import Job, spark_submit
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>/../ü"
INSIDE = "a'b\"<&>ü.txt"


def registered(store: Store, path: Path, name: str, kind: str = "spark") -> str:
    found = registering.register_model(store, path, name=name, kind=kind, user="ann")
    return f"{found.name}@{found.version}"


def folder(path: Path, text: str = "weights") -> Path:
    path.mkdir(parents=True)
    (path / INSIDE).write_text(text)
    return path


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for member in members:
            packed.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, **changed: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size = 3
    for key, value in changed.items():
        setattr(found, key, value)
    return found


def test_a_folder_lies_unpacked_under_the_name_of_its_model(store: Store, tmp_path: Path) -> None:
    first = registered(store, folder(tmp_path / "one", "1"), "rules")
    registered(store, folder(tmp_path / "two", "2"), "rules")

    assert (jobs.path(store, first) / INSIDE).read_text() == "1"
    assert (jobs.path(store, "rules") / INSIDE).read_text() == "2"
    assert (jobs.path(store, "rules").name, model_path("rules@2")) == (
        "rules",
        str(jobs.path(store, "rules")),
    )
    before = (jobs.path(store, first) / INSIDE).stat().st_ino
    assert (jobs.path(store, first) / INSIDE).stat().st_ino == before


def test_the_one_folder_at_the_top_of_an_archive_is_the_model(store: Store, tmp_path: Path) -> None:
    one = archive(tmp_path / "one.tgz", member("export/metadata/part-0"), member("export/x"))
    two = archive(tmp_path / "two.tgz", member("a/x"), member("b/x"))

    for file, names in ((one, ["metadata", "x"]), (two, ["a", "b"])):
        found = jobs.path(store, registered(store, file, file.stem))
        assert sorted(each.name for each in found.iterdir()) == names


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip", b"\x1f\x8b\x08broken", b"", b"\x1f\x8b"])
def test_a_file_that_is_no_archive_stays_as_it_is(store: Store, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(content or b"one byte less than nothing is nothing")

    found = jobs.path(store, registered(store, file, "weights.bin"))

    assert (found.name, found.read_bytes()) == ("weights.bin", file.read_bytes())


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(member("../x"), id="above"),
        pytest.param(member("x", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0), id="link"),
        pytest.param(member("x", type=tarfile.CHRTYPE, size=0), id="device"),
    ],
)
def test_a_hostile_archive_of_a_task_leaves_nothing(
    store: Store, tmp_path: Path, bad: tarfile.TarInfo
) -> None:
    reference = registered(store, archive(tmp_path / "x.tgz", member("ok"), bad), "bad")

    with pytest.raises(ArchiveError):
        jobs.path(store, reference)

    assert not list((store.root / jobs.PLACE / "bad").glob("[!.]*"))


def test_what_was_half_unpacked_by_a_killed_task_is_made_anew(store: Store, tmp_path: Path) -> None:
    reference = registered(store, folder(tmp_path / "one"), "rules")
    place = jobs.path(store, reference)
    (place / INSIDE).unlink()
    place.rmdir()
    (place.parent / "left").touch()

    assert (jobs.path(store, reference) / INSIDE).read_text() == "weights"


def test_what_nobody_asked_for_in_a_week_goes(store: Store, tmp_path: Path) -> None:
    old = jobs.path(store, registered(store, folder(tmp_path / "one", "1"), "rules"))
    os.utime(old.parent, (time.time() - 8 * 24 * 3600,) * 2)
    asked = jobs.path(store, registered(store, folder(tmp_path / "two", "2"), "rules"))

    jobs.path(store, registered(store, folder(tmp_path / "three", "3"), "rules"))

    assert (old.exists(), asked.exists()) == (False, True)


def test_references_that_name_nothing_are_refused(store: Store, tmp_path: Path) -> None:
    registered(store, folder(tmp_path / "one"), "rules")

    for reference, error in (
        ("rules@2", NotFoundError),
        ("other", NotFoundError),
        ("rules@0", InvalidError),
        (HOSTILE, InvalidNameError),
        ("..", InvalidNameError),
        (f"{HOSTILE}@1", InvalidNameError),
    ):
        with pytest.raises(error):
            jobs.path(store, reference)
    with pytest.raises(NotFoundError, match="^rules has no version 2"):
        jobs.path(store, "rules@2")
    with pytest.raises(NotFoundError, match='^There is no "rules" among the models'):
        library.get(store, "other", "rules")


def test_spark_is_given_archives_and_files_under_the_models_names(store: Store, tmp_path: Path) -> None:
    registered(store, folder(tmp_path / "one"), "rules.v2")
    file = tmp_path / "x"
    file.write_bytes(b"PK\x03\x04")
    registered(store, file, "weights")

    found = jobs.bring(["rules.v2@1", "weights"], store, tmp_path / "run")

    assert [(use.role, use.name, use.version) for use in found.uses] == [
        ("model", "rules.v2", 1),
        ("model", "weights", 1),
    ]
    with tarfile.open(found.archives[0]) as packed:
        assert [each.name for each in packed] == [INSIDE]
        assert {(each.uid, each.uname) for each in packed} == {(0, "")}
    line = spark_submit(
        Job(
            app_name="a",
            application=tmp_path / "a.py",
            class_path=None,
            arguments=(),
            configuration=SparkConfiguration(arguments={"archives": "hdfs:/env.tgz#env", "master": "yarn"}),
            files=found.files,
            archives=found.archives,
        ),
        spark_home=Path("/spark"),
        properties_file=None,
    )
    assert line[line.index("--archives") + 1] == f"hdfs:/env.tgz#env,{tmp_path}/run/rules.v2.tar#rules.v2"
    assert line[line.index("--files") + 1] == f"{tmp_path}/run/weights"

    with pytest.raises(InvalidError, match="more than once"):
        jobs.bring(["weights", "weights@1"], store, tmp_path / "run")
