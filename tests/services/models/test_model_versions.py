"""Versions of models by a real model server: upload, check, labels, faults, and no lost request."""

from __future__ import annotations

import io
import os
import random
import resource
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.exceptions import (
    ConflictError,
    CorruptError,
    InUseError,
    InvalidError,
    InvalidNameError,
    ModelError,
    ModelServerError,
    NotAllowedError,
    NotFoundError,
    RuntimeMissingError,
)
from couture_workflow.services.models import (
    configured,
    document,
    labels,
    library,
    registering,
    server,
    texts,
    work,
)
from couture_workflow.services.models import serving as serving_files
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.arrival import background, uploads
from couture_workflow.services.models.arrival.uploads import Received, Reception, Wishes
from couture_workflow.services.runtimes import install
from couture_workflow.services.runtimes.progress import Progress
from couture_workflow.store.home import Store
from tests.support.model_server import MODELS, ModelServer, python

DENSE = {number: MODELS / "dense" / str(number) for number in (1, 2)}
X = {"instances": [[1.0, 2.0, 3.0, 4.0]]}
KIND = "tensorflow"


def packed(*folders: tuple[Path, str], note: str = "") -> bytes:
    """Return a gzip tar of folders under other names; a note makes it another content."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for folder, name in folders:
            tar.add(folder, name)
        if note:
            member = tarfile.TarInfo("README.txt")
            member.size = len(note)
            tar.addfile(member, io.BytesIO(note.encode()))
    return made.getvalue()


def upload(store: Store, name: str, content: bytes, *, kind: str = KIND, **wishes: Any) -> Received:
    with Reception(store, kind, name, user="ada", may_replace=True, wishes=Wishes(**wishes)) as reception:
        reception.write(content)
        return reception.finish()


def state(store: Store, name: str, version: int) -> tuple[str, str]:
    found = library.get(store, KIND, name).state(version, server.look())
    return found.name, found.message


def until(said: Any) -> None:
    for _ in range(1800):
        if said():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def serving(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """Run a model server that follows the configuration of the store."""
    python()
    configured.write(store)
    found = ModelServer(unpacked.root(store), "--default-label", "stable")
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", found.url)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def started(serving: ModelServer) -> None:
    """Start a server although it has no model yet."""
    from threading import Thread

    thread = Thread(target=serving.start, daemon=True)
    thread.start()
    until(lambda: server.look().is_running)


def test_versions_come_go_and_come_back_without_a_lost_request(store: Store, serving: ModelServer) -> None:
    seen: list[tuple[str, str, str, int]] = []

    def run() -> None:
        assert background.run_due(store, on_label=lambda *each: seen.append(each))

    first = upload(store, "dense", packed((DENSE[1], "export/1"), note="first"))
    assert (first.version, first.outcome) == (1, "created")
    assert state(store, "dense", 1)[0] == "received"
    run()  # there is no server yet: it is checked, kept, and waits
    assert state(store, "dense", 1)[0] == "loading"
    assert "model server does not answer" in state(store, "dense", 1)[1]
    found = library.get(store, KIND, "dense").version(1)
    assert found.about.check["layout"].startswith("The SavedModel is in the version folder export/1/")
    assert found.about.check["signatures"] and found.about.check["ok"] is True
    with pytest.raises(ModelServerError, match="does not answer"):
        labels._PATIENCE, kept = 0.5, labels._PATIENCE
        try:
            labels.promote(store, KIND, "dense", 1, user="ada")
        finally:
            labels._PATIENCE = kept

    started(serving)
    work.change(store, work.listed(store)[0], retry_at=0.0)
    run()
    assert state(store, "dense", 1) == ("serving", "")
    assert seen == [("ada", "dense", "stable", 1)]

    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                for label in ("", "/labels/stable"):
                    answer = client.post(f"{serving.url}/v1/models/dense{label}:predict", json=X)
                    answers.append((answer.status_code, answer.text))
                stop.wait(0.01)  # the machine has other things to do too

    sender = threading.Thread(target=ask)
    sender.start()
    try:
        assert upload(store, "dense", packed((DENSE[2], "model"))).version == 2
        looks = iter([True])
        assert background.run_due(store, keep_going=lambda: next(looks, False))  # as at the end of a server
        assert state(store, "dense", 2)[0] == "loading" and work.listed(store)[0].is_due
        assert texts.get(store, KIND, "dense").labels == {"stable": 1}
        run()
        assert texts.get(store, KIND, "dense").labels == {"stable": 1, "canary": 2}
        labels.promote(store, KIND, "dense", 2, user="eve")
        assert texts.get(store, KIND, "dense").labels == {"stable": 2}
        assert server.label("dense", "stable") == 2
        new = serving.post("/v1/models/dense/labels/stable:predict", X).json()
        labels.roll_back(store, KIND, "dense", user="eve")
        assert server.label("dense", "stable") == 1
        old = serving.post("/v1/models/dense/labels/stable:predict", X).json()
        with pytest.raises(InvalidError, match="none to go back to"):
            labels.roll_back(store, KIND, "dense", user="eve")

        upload(store, "dense", packed((MODELS / "two" / "1", "m"), note="x")[:-200], label="stable")
        run()
        assert state(store, "dense", 3)[0] == "refused"
        assert texts.get(store, KIND, "dense").labels == {"stable": 1}
        with pytest.raises(ModelError, match="Version 3 of the model dense cannot be served"):
            labels.promote(store, KIND, "dense", 3, user="eve")
    finally:
        stop.set()
        sender.join()
    assert new != old
    assert {code for code, _ in answers} == {200}, [each for each in answers if each[0] != 200][:3]

    with pytest.raises(InUseError, match="serves version 1 as stable"):
        library.delete(store, KIND, "dense", user="ada")
    labels.stop(store, KIND, "dense", user="ada")
    until(lambda: serving.post("/v1/models/dense:predict", X).status_code == 404)
    assert state(store, "dense", 1)[0] == "stopped"
    labels.start(store, KIND, "dense", user="ada")
    assert serving.post("/v1/models/dense:predict", X).status_code == 200

    library.delete(store, KIND, "dense", user="ada", force=True)
    until(lambda: serving.post("/v1/models/dense:predict", X).status_code == 404)
    with pytest.raises(NotFoundError):
        library.get(store, KIND, "dense")
    assert not (unpacked.root(store) / "dense").exists()
    back = library.undelete(store, KIND, "dense")
    assert [each.number for each in back.versions] == [3, 2, 1] and not back.document.labels
    labels.promote(store, KIND, "dense", 1, user="ada")
    assert serving.post("/v1/models/dense:predict", X).json() == old
    serving.kill()
    assert state(store, "dense", 1)[0] == "loading"
    serving.start()
    until(lambda: state(store, "dense", 1) == ("serving", ""))
    assert serving.post("/v1/models/dense/labels/stable:predict", X).json() == old
    messages = [each.message for each in library.history(store, KIND, "dense")]
    assert messages[0] == "Version 1 of the model dense is stable"
    assert "Stop serving the model dense" in messages and "Delete the model dense" in messages


def test_what_was_deleted_before_its_check_is_checked_when_it_comes_back(store: Store) -> None:
    upload(store, "dense", packed((DENSE[1], "m")), label="stable")
    library.delete(store, KIND, "dense", user="ada")
    assert work.listed(store) == []

    library.undelete(store, KIND, "dense")

    assert [(each.version, each.state, each.label) for each in work.listed(store)] == [
        (1, work.RECEIVED, "none")
    ]


def test_what_is_deleted_during_its_check_is_checked_anew_when_it_comes_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", "http://127.0.0.1:9")
    upload(store, "dense", packed((DENSE[1], "m")), label="none")
    begun, goes_on = tmp_path / "begun", tmp_path / "goes-on"
    program = tmp_path / "python"  # the runtime's, which waits with the check for the deletion
    program.write_text(
        f"#!/bin/sh\ntouch '{begun}'\nwhile [ ! -e '{goes_on}' ]; do sleep 0.05; done\n"
        f"exec '{python()}' \"$@\"\n"
    )
    program.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setattr(serving_files, "python", lambda: str(program))
        worker = threading.Thread(target=background.run_due, args=(store,))
        worker.start()
        until(begun.exists)
        library.delete(store, KIND, "dense", user="ada")
        library.undelete(store, KIND, "dense")
        goes_on.touch()
        worker.join()
    assert state(store, "dense", 1)[0] != "refused"
    until(lambda: background.run_due(store) and not work.listed(store))
    assert state(store, "dense", 1) == ("ready", "")


def test_a_restart_goes_on_where_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    python()
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", "http://127.0.0.1:9")
    upload(store, "dense", packed((DENSE[1], "m")), label="none", note="a'b\"<&>ü", metrics={"auc": 0.5})
    one = work.listed(store)[0]
    work.change(store, one, state=work.EXTRACTING)  # as a kill leaves it
    part = unpacked.work_folder(store) / ".part-dead"
    part.mkdir()
    part.with_suffix(".lock").touch()
    background.resume(store)
    assert not part.exists()
    assert background.run_due(store)
    assert state(store, "dense", 1) == ("ready", "") and not work.listed(store)
    about = library.get(store, KIND, "dense").version(1).about
    assert (about.note, about.metrics) == ("a'b\"<&>ü", {"auc": 0.5})

    # A restore brings archives and texts, and neither unpacked versions nor what was under way.
    texts.change(
        store,
        KIND,
        "dense",
        lambda found: document.moved(found, "stable", 1),
        user="ada",
        message="As before",
    )
    unpacked.remove(store, "dense", 1)
    background.resume(store)
    assert (unpacked.folder_of(store, "dense", 1) / "saved_model.pb").is_file()
    assert 'key: "stable" value: 1' in (unpacked.root(store) / "models.config").read_text()


def test_a_version_that_somebody_promoted_on_its_way_gets_no_label_beside_that(store: Store) -> None:
    upload(store, "dense", packed((DENSE[1], "m")))
    with pytest.raises(ModelError, match=r"not been checked yet\. Wait for its check\.$"):
        labels.promote(store, KIND, "dense", 1, user="ada")
    texts.change(
        store,
        KIND,
        "dense",
        lambda found: document.moved(found.with_about(1, check={"ok": True}), "stable", 1),
        user="ada",
        message="Promote it while it waits for the model server",
    )

    assert background.run_due(store)

    assert texts.get(store, KIND, "dense").labels == {"stable": 1}
    assert not work.listed(store)
    assert 'key: "stable" value: 1' in (unpacked.root(store) / "models.config").read_text()


def test_without_the_runtime_the_upload_is_kept_and_says_what_to_type(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(tmp_path))
    upload(store, "dense", packed((DENSE[1], "m")))
    background.run_due(store)
    name, message = state(store, "dense", 1)
    assert name == "checking" and "couture-workflow install --serving" in message
    assert work.listed(store)[0].waits
    file = next(unpacked.work_folder(store).glob("dense-1.json"))
    work.change(store, work.listed(store)[0], retry_at=0.0)
    before = file.stat()
    assert background.run_due(store)
    after = file.stat()  # what waits costs no writing; when it was read is another matter
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with pytest.raises(ModelError, match="further than “checking” within 1 seconds.*install --serving"):
        registering.wait(store, KIND, "dense", 1, seconds=1)
    assert store.models.get("tensorflow.dense").current == 1


def test_while_somebody_makes_the_runtime_the_upload_says_how_far_that_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtimes, gate, program = tmp_path / "runtimes", tmp_path / "gate", tmp_path / "python"
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(runtimes))
    os.mkfifo(gate)
    program.write_text(f"#!/bin/sh\necho no network; read line < '{gate}'; exit 1\n")  # as slow as we want it
    program.chmod(0o700)
    upload(store, "dense", packed((DENSE[1], "m")))

    def make() -> None:
        with pytest.raises(RuntimeMissingError, match="no network"):
            install.install_serving(progress=Progress(1, stream=io.StringIO()), python=str(program))

    maker = threading.Thread(target=make)
    maker.start()
    try:
        until(install.serving_under_way)
        background.run_due(store)
        found = library.get(store, KIND, "dense").state(1, server.Look())
        said = "The model server is being installed: made once, about 110 MB are downloaded."
        assert (found.name, found.message, found.waits) == ("checking", said, False)
    finally:
        gate.write_text("go\n")
        maker.join()
    work.change(store, work.listed(store)[0], waits=False, retry_at=0.0)
    background.run_due(store)
    assert state(store, "dense", 1)[1].endswith("Type: couture-workflow install --serving")


def test_a_version_that_the_server_never_has_holds_up_no_other_model(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python()
    found = ModelServer(tmp_path / "server")  # follows another configuration, which lacks one of the two
    found.configure(
        {"name": "dense", "base_path": MODELS / "dense", "versions": [1], "labels": {"stable": 1}}
    )
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", found.start().url)
    stop = threading.Event()
    upload(store, "stuck", packed((DENSE[1], "m")))
    upload(store, "dense", packed((DENSE[1], "m")))
    worker = threading.Thread(
        target=lambda: background.run_due(store, keep_going=lambda: not stop.is_set()), daemon=True
    )
    worker.start()
    try:
        until(lambda: state(store, "dense", 1) == ("serving", ""))
        assert state(store, "stuck", 1) == ("loading", "")
        upload(store, "zip", b"PK\x03\x04 no model")
        until(lambda: state(store, "zip", 1)[0] == "refused")  # what comes meanwhile is taken up too
    finally:
        stop.set()
        worker.join(30)
        found.kill()
    assert not worker.is_alive()
    assert [(each.name, each.state) for each in work.listed(store)] == [("stuck", work.LOADING)]


def test_a_damaged_text_holds_up_no_other_model(store: Store) -> None:
    for name in ("broken", "sound"):
        upload(store, name, packed((DENSE[1], "m")))
        unpacked.look(store, name, 1, folder=None)
        texts.change(
            store,
            KIND,
            name,
            lambda found: document.moved(found, "stable", 1),
            user="ada",
            message="Serve it",
        )
    configured.write(store)
    before = (unpacked.root(store) / "models.config").read_text()
    damaged = {document.path_of(KIND, "broken"): b"{"}
    store.config.save(damaged, author="eve", message="x", base=store.config.head())

    texts.change(
        store, KIND, "sound", lambda found: document.moved(found, "canary", 1), user="ada", message="Both"
    )
    configured.write(store)

    line = '    version_labels { key: "stable" value: 1 }\n'
    head, tail = before.split('    name: "sound"')
    canary = line.replace("stable", "canary")
    wanted = f'{head}    name: "sound"{tail.replace(line, canary + line)}'
    assert (unpacked.root(store) / "models.config").read_text() == wanted
    with pytest.raises(CorruptError, match="What is served of this model is served on. To change it, bring"):
        labels.stop(store, KIND, "broken", user="ada")
    with pytest.raises(CorruptError):
        upload(store, "broken", b"PK")
    assert store.models.get("tensorflow.broken").current == 1
    damaged = {document.path_of(KIND, "broken"): b"["}
    store.config.save(damaged, author="eve", message="y", base=store.config.head())
    assert library.repair(store, KIND, "broken", user="ada").labels == {"stable": 1}
    assert (unpacked.root(store) / "models.config").read_text() == wanted
    with pytest.raises(InvalidError, match="is not damaged"):
        library.repair(store, KIND, "broken", user="ada")


def test_a_full_disk_while_unpacking_is_told_and_tried_again(store: Store) -> None:
    python()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.add(DENSE[1], "m")
        member = tarfile.TarInfo("m/assets/words")
        member.size = 2**20
        tar.addfile(member, io.BytesIO(random.Random(1).randbytes(2**20)))
    upload(store, "dense", made.getvalue(), label="none")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, before[1]))  # as a disk without space it refuses
    try:
        background.run_due(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    name, message = state(store, "dense", 1)
    place = f"{unpacked.root(store)} (for version 1 of the model dense)"
    assert name == "failed" and message.startswith(f"No space is left on the disk of {place}. What was saved")
    assert not list(unpacked.work_folder(store).glob(".part-*"))
    (found,) = work.listed(store)
    assert found.retry_at is not None and not found.is_due
    work.change(store, found, retry_at=0.0)
    background.run_due(store)
    assert state(store, "dense", 1) == ("ready", "")


def test_several_models_wait_for_a_choice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    python()
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", "http://127.0.0.1:9")
    upload(store, "dense", packed((DENSE[1], "m/1"), (DENSE[2], "m/2")), label="none")
    background.run_due(store)
    assert state(store, "dense", 1) == (
        "choose",
        "The archive holds 2 versions of a model: m/1, m/2. Choose the one to take.",
    )
    assert not unpacked.folder_of(store, "dense", 1).exists()
    uploads.take(store, "dense", 1, folder="m/1")
    wrong = work.get(store, "dense", 1)
    assert wrong is not None
    work.change(store, wrong, folder="nope")
    background.run_due(store)
    assert state(store, "dense", 1)[1].startswith('The folder "nope" of the archive is no model. The archive')
    with pytest.raises(InvalidError, match='Choose one of the archive\'s models: "m/1", "m/2"'):
        uploads.take(store, "dense", 1, folder="../x")
    uploads.take(store, "dense", 1, folder="m/2/")
    background.run_due(store)
    assert state(store, "dense", 1)[0] == "ready"
    assert library.chosen(store, KIND, "dense", 1) == "m/2"
    with pytest.raises(ConflictError):
        uploads.take(store, "dense", 1, folder="m/1")


def test_two_uploads_at_once_are_two_versions(store: Store) -> None:
    contents = [packed((DENSE[1], "m"), note=str(number)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda each: upload(store, "dense", each, label="none"), contents))
    assert sorted(each.version for each in done) == [1, 2, 3, 4]
    assert sorted(each.version for each in work.listed(store)) == [1, 2, 3, 4]


def test_a_roll_back_goes_to_the_version_that_was_confirmed_or_nowhere(store: Store) -> None:
    for content in (b"1", b"2", b"3"):
        version = upload(store, "rules", content, kind="other", label="none").version
        labels.promote(store, "other", "rules", version, user="ada")
    with pytest.raises(ConflictError, match="not go back to version 1: version 3 has it now, and version 2"):
        labels.roll_back(store, "other", "rules", user="eve", expected=1)
    assert labels.roll_back(store, "other", "rules", user="eve", expected=2).labels == {"stable": 2}
    with pytest.raises(ConflictError, match="version 2 has it now, and version 1 is what it goes back to"):
        labels.roll_back(store, "other", "rules", user="ada", expected=2)
    assert labels.roll_back(store, "other", "rules", user="eve").labels == {"stable": 1}
    with pytest.raises(ConflictError, match="version 1 has it now, and there is none to go back to"):
        labels.roll_back(store, "other", "rules", user="ada", expected=1)
    with pytest.raises(InvalidError, match="or it was rolled back from there already"):
        labels.roll_back(store, "other", "rules", user="ada")


def test_to_stop_what_is_stopped_changes_nothing_and_says_so(store: Store) -> None:
    upload(store, "dense", packed((DENSE[1], "m")), label="none")
    texts.change(
        store, KIND, "dense", lambda found: replace(found, labels={"stable": 1}), user="a", message="x"
    )
    done = labels.stop(store, KIND, "dense", user="ada")
    assert done is not None
    assert done.stopped
    assert labels.stop(store, KIND, "dense", user="ada") is None


def test_a_name_belongs_to_one_kind_for_ever(store: Store) -> None:
    upload(store, "Net", b"x", kind="spark")
    with pytest.raises(InvalidNameError, match="there is one of that name of the kind spark"):
        upload(store, "net", b"x", kind="other")
    library.delete(store, "spark", "Net", user="ada")
    with pytest.raises(InvalidNameError, match="there was one"):
        upload(store, "net", b"x", kind="other")
    assert upload(store, "Net", b"y", kind="spark").version == 2
    for name in ("a'b\"<&>/../ü", "..", "", "a b", "x" * 129, "a:b", "-a", "a."):
        with pytest.raises(InvalidNameError):
            Reception(store, KIND, name, user="ada", may_replace=True)
    with pytest.raises(NotAllowedError):
        Reception(store, "spark", "Net", user="ada", may_replace=False)


def test_models_for_jobs_are_kept_with_labels(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "stages").mkdir(parents=True)
    (folder / "stages" / "part-0").write_bytes(b"0")
    run = {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1}
    args: dict[str, Any] = {"name": "pipe", "kind": "spark", "user": "ada", "run": run, "stage": "stable"}
    one = registering.register_model(store, folder, metrics={"f1": 0.5}, **args)
    same = registering.register_model(store, folder, metrics={"f1": 0.5}, **args)
    assert (one.version, same.outcome) == (1, "unchanged")
    registering.wait(store, "spark", "pipe", 1, seconds=1)
    found = library.get(store, "spark", "pipe")
    assert found.state(1, server.Look()).name == "kept"
    assert (found.document.labels, found.version(1).about.run) == ({"stable": 1}, run)
    with pytest.raises(InvalidError, match="metric"):
        registering.register_model(store, folder, metrics={"f1": float("nan")}, **args)
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidError, match="is a link"):
        registering.register_model(store, folder, **args)
    with pytest.raises(NotFoundError, match="no file or folder"):
        registering.register_model(store, tmp_path / "gone", **args)
    assert library.get(store, "spark", "pipe").file.current == 1


def test_descriptions_know_of_others_changes(store: Store) -> None:
    upload(store, "pipe", b"x", kind="spark")
    assert library.get(store, "spark", "pipe").commit is None
    library.describe(store, "spark", "pipe", user="ada", description="One", notes={1: "first"}, base="")
    with pytest.raises(ConflictError, match="meanwhile"):
        library.describe(store, "spark", "pipe", user="eve", description="Mine", base="")
    base = library.get(store, "spark", "pipe").commit
    library.describe(store, "spark", "pipe", user="eve", description="Two", base=base)
    with pytest.raises(ConflictError):
        library.describe(store, "spark", "pipe", user="ada", description="Three", base=base)
    with pytest.raises(NotFoundError):
        library.describe(store, "spark", "pipe", user="ada", notes={7: "x"})
    found = library.get(store, "spark", "pipe")
    assert (found.description, found.version(1).about.note) == ("Two", "first")
    assert [each.name for each in library.listed(store, search="TWO").models] == ["pipe"]
    assert library.listed(store, "other").total == 0
