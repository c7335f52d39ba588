"""What is said of a model beside its files: ``models/<kind>/<name>.yaml`` in the configuration repository.

Labels, description, and of each version what its check found, its metrics and the run that made it. Each
change is a commit; nothing here says what is loaded at the moment.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import yaml

from couture_workflow.exceptions import CorruptError, InvalidError, InvalidNameError
from couture_workflow.services.texts import plain_yaml
from couture_workflow.store.names import quote

FOLDER = "models/"
SUFFIX = ".yaml"
VERSION = 1

Kind = Literal["tensorflow", "spark", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Models of this kind are served; the others are kept for jobs.
SERVED: Kind = "tensorflow"
STABLE, CANARY = "stable", "canary"
#: Where a label is asked for: none.
NO_LABEL = "none"
#: Bytes of one file, and of what a check says of one version.
MOST_BYTES, MOST_CHECK = 4 * 2**20, 64 * 2**10
#: How many versions back a label can be rolled.
MOST_EARLIER = 20

#: What no model can be called: what stands beside the folders of models.
_KEPT = "models.config"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RULE = (
    "has letters from a to z, digits, '.', '_' and '-', begins with a letter or a digit, does not "
    "end in a dot, and is at most 128 characters long"
)
_MOST_LABELS, _MOST_METRICS, _LONGEST_TEXT, _LONGEST_WORD = 10, 100, 5000, 1000
_RUN = ("dag_id", "run_id", "task_id", "try_number", "map_index", "dag_version")


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of one version beside its content.

    :param check: what the check of the runtime said, ``{}`` if there was none yet.
    :param run: the task that registered it: ``dag_id``, ``run_id``, ``task_id``, ``try_number``, ...
    """

    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    check: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Tell whether it was checked and can be served."""
        return self.check.get("ok") is True


@dataclass(frozen=True, kw_only=True)
class Document:
    """One model.

    :param labels: label -> version.
    :param earlier: label -> the versions that had it before, the last one at the end.
    :param stopped: nothing of it is served, whatever the labels say.
    """

    kind: Kind
    name: str
    description: str = ""
    labels: Mapping[str, int] = field(default_factory=dict)
    earlier: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    stopped: bool = False
    versions: Mapping[int, About] = field(default_factory=dict)

    def about(self, version: int) -> About:
        """Return what is known of a version."""
        return self.versions.get(version, About())

    def with_about(self, version: int, **changed: Any) -> Document:
        """Return it with other words on one version."""
        return replace(self, versions={**self.versions, version: replace(self.about(version), **changed)})

    def labels_of(self, version: int) -> tuple[str, ...]:
        """Return the labels that a version has."""
        return tuple(sorted(label for label, found in self.labels.items() if found == version))

    @property
    def is_served(self) -> bool:
        """Tell whether the model server shall have versions of it."""
        return self.kind == SERVED and bool(self.labels) and not self.stopped


def check_kind(kind: str) -> Kind:
    """Return a kind of models, or raise ``InvalidError``."""
    for known in KINDS:
        if kind == known:
            return known
    raise InvalidError(
        f"There is no kind {quote(kind)} of models. These are: {', '.join(KINDS)}.", field="kind"
    )


def check_name(name: str) -> str:
    """Return a name that a model may have, or raise ``InvalidNameError``: addresses have it as it is."""
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise InvalidNameError(f"The model {quote(name)} is refused: a name {_RULE}.", field="name")
    if name.casefold().startswith(_KEPT):
        raise InvalidNameError(
            f"The model {quote(name)} is refused: files of the model server are called {_KEPT}. Choose "
            "another name.",
            field="name",
        )
    return name


def check_label(label: str) -> str:
    """Return a label that a version may have, or raise ``InvalidNameError``."""
    if not _NAME.fullmatch(label) or label.endswith("."):
        raise InvalidNameError(f"The label {quote(label)} is refused: a label {_RULE}.", field="label")
    return label


def path_of(kind: str, name: str) -> str:
    """Return where a model's text stands in the configuration repository."""
    return f"{FOLDER}{kind}/{name}{SUFFIX}"


def place_of(path: str) -> tuple[Kind, str] | None:
    """Return kind and name of the model whose text this is, None if it is none's."""
    parts = path.split("/")
    if len(parts) != 3 or f"{parts[0]}/" != FOLDER or not parts[2].endswith(SUFFIX):
        return None
    name = parts[2].removesuffix(SUFFIX)
    kind = next((known for known in KINDS if known == parts[1]), None)
    return (kind, name) if kind and _NAME.fullmatch(name) else None


def text(value: Any, place: str, *, most: int = _LONGEST_TEXT) -> str:
    """Return a text that somebody sent, or raise ``InvalidError``."""
    if not isinstance(value, str):
        raise InvalidError(f"{place} must be a text.", field=place)
    if len(value) > most:
        raise InvalidError(f"{place} has {len(value):,} characters; at most {most:,} are kept.", field=place)
    if any(not each.isprintable() and each not in "\n\t" for each in value):
        raise InvalidError(f"{place} has control characters in it. Type it again.", field=place)
    return value.strip()


def metrics(value: Any) -> dict[str, float]:
    """Return metrics that somebody gave, name -> number, or raise ``InvalidError``."""
    if not isinstance(value, Mapping):
        raise InvalidError('metrics must be an object such as {"accuracy": 0.93}.', field="metrics")
    if len(value) > _MOST_METRICS:
        raise InvalidError(f"There are at most {_MOST_METRICS} metrics of a version.", field="metrics")
    return {_metric_name(name): _number(name, number) for name, number in value.items()}


def _metric_name(name: Any) -> str:
    if not isinstance(name, str) or not name or len(name) > 100 or not name.isprintable():
        raise InvalidError("A metric's name is a line of 1 to 100 characters.", field="metrics")
    return name


def _number(name: Any, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidError(f"The metric {quote(str(name))} must be a finite number.", field="metrics")
    return int(number) if isinstance(value, int) and abs(value) < 2**53 else number


def run(value: Any) -> dict[str, Any]:
    """Return the task that a version is from, or raise ``InvalidError``."""
    if not isinstance(value, Mapping) or any(name not in _RUN for name in value):
        raise InvalidError(f"run is an object of these: {', '.join(_RUN)}.", field="run")
    found: dict[str, Any] = {}
    for name, each in value.items():
        if each is None:
            continue
        is_number = isinstance(each, int) and not isinstance(each, bool)
        found[name] = each if is_number else text(each, f"run.{name}", most=_LONGEST_WORD)
    return found


def kept_check(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what a check said what is kept, shortened where it is very long."""
    kept = {name: value for name, value in found.items() if name != "operations"}
    if isinstance(kept.get("error"), str) and len(kept["error"]) > _LONGEST_TEXT:
        kept["error"] = f"{kept['error'][:_LONGEST_TEXT]}..."
    for longest in ("smoke", "signatures", "unknown_operations"):
        if len(json.dumps(kept)) <= MOST_CHECK:
            break
        kept[longest] = {}
    return kept


def parse(kind: Kind, name: str, content: bytes) -> Document:
    """Read the text of a model, or raise ``CorruptError``."""
    try:
        if len(content) > MOST_BYTES:
            raise InvalidError("it is larger than it may be.")
        return _read(kind, name, _loaded(content.decode("utf-8")))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, InvalidError) as error:
        raise CorruptError(
            f"{path_of(kind, name)} in the configuration repository is damaged: {_why(error)} What is served "
            "of this model is served on. To change it, bring back on its page the last version of the text "
            "that can be read.",
            path=path_of(kind, name),
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}."
    return " ".join(str(error).split())


def _loaded(text: str) -> Any:
    """Return the data of a text; JSON, which is YAML too, is read a hundred times as fast."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply.") from error
    except ValueError:
        return plain_yaml.load(text)


def _read(kind: Kind, name: str, data: Any) -> Document:
    if not isinstance(data, Mapping) or data.get("version") != VERSION:
        raise ValueError(f"it must be an object with version: {VERSION}.")
    return Document(
        kind=kind,
        name=name,
        description=text(data.get("description", ""), "description"),
        labels={check_label(label): _version(number) for label, number in data.get("labels", {}).items()},
        earlier={
            check_label(label): tuple(_version(each) for each in numbers)
            for label, numbers in data.get("earlier", {}).items()
        },
        stopped=data.get("stopped", False) is True,
        versions={_number_of(word): _about(each) for word, each in data.get("versions", {}).items()},
    )


def _about(data: Mapping[str, Any]) -> About:
    check = data.get("check", {})
    if not isinstance(check, Mapping):
        raise TypeError("check must be an object.")
    return About(
        note=text(data.get("note", ""), "note"),
        metrics=metrics(data.get("metrics", {})),
        run=run(data.get("run", {})),
        check=dict(check),
    )


def _number_of(word: Any) -> int:
    is_number = isinstance(word, str) and len(word) < 10 and word.isascii() and word.isdigit()
    return _version(int(word) if is_number else word)


def _version(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 10**9:
        raise ValueError(f"{str(number)[:50]!r} is no number of a version.")
    return number


def dump(found: Document) -> bytes:
    """Return the text of a model; what says nothing is left out."""
    if len(found.labels) > _MOST_LABELS:
        raise InvalidError(f"A model has at most {_MOST_LABELS} labels. Remove one first.", field="label")
    data: dict[str, Any] = {
        "version": VERSION,
        "description": found.description,
        "labels": dict(sorted(found.labels.items())),
        "earlier": {label: list(each) for label, each in sorted(found.earlier.items()) if each},
        "stopped": found.stopped,
        "versions": {str(number): _dumped(each) for number, each in sorted(found.versions.items())},
    }
    content = f"{json.dumps(_kept(data), indent=1, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")
    if len(content) > MOST_BYTES:
        raise InvalidError(
            f"The text of the model {found.name} would have {len(content):,} bytes, more than the "
            f"{MOST_BYTES:,} it may have. Register new versions under another name."
        )
    return content


def _dumped(about: About) -> dict[str, Any]:
    data = {
        "note": about.note,
        "metrics": dict(about.metrics),
        "run": dict(about.run),
        "check": dict(about.check),
    }
    return _kept(data)


def _kept(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value not in ("", {}, [], False, None)}


def next_label(found: Document, version: int) -> str:
    """Return the label that a new version gets of its own accord; none if somebody gave it one already."""
    if found.labels_of(version):
        return NO_LABEL
    return CANARY if STABLE in found.labels else STABLE


def moved(found: Document, label: str, version: int | None) -> Document:
    """Return a document in which a label names another version, or none.

    A canary that becomes stable is a canary no more.
    """
    before = found.labels.get(label)
    labels: dict[str, int] = {name: each for name, each in found.labels.items() if name != label}
    if version is not None:
        labels[label] = version
        if label == STABLE and labels.get(CANARY) == version:
            del labels[CANARY]
    earlier = dict(found.earlier)
    if before is not None and before != version:
        earlier[label] = (*_without(earlier.get(label, ()), before), before)[-MOST_EARLIER:]
    return replace(found, labels=labels, earlier=earlier)


def rolled_back(found: Document, label: str, version: int) -> Document:
    """Return a document in which a label is back at a version that had it; later ones are forgotten."""
    earlier = found.earlier.get(label, ())
    kept = earlier[: earlier.index(version)] if version in earlier else earlier
    return replace(
        found, labels={**found.labels, label: version}, earlier={**found.earlier, label: tuple(kept)}
    )


def _without(versions: Iterable[int], one: int) -> tuple[int, ...]:
    return tuple(each for each in versions if each != one)
