"""Arguments of tasks in containers, which the providers of Docker and Kubernetes have renamed."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from couture_workflow.services.upgrade.rewriting.arguments import Arguments, Given, of_dict
from couture_workflow.services.upgrade.rewriting.document import Document, text_of

_K8S = "from kubernetes.client import models as k8s"
_MODES = {"": {}, "rw": {}, "ro": {"read_only": "True"}}


def container_arguments(document: Document, call: cst.Call, called: str, arguments: Arguments) -> None:
    """Bring the arguments of one task up to date, if it is one in a container."""
    for name, change in _CHANGES.get(called, {}).items():
        if (given := arguments.given.get(name)) is not None:
            change(document, call, given, arguments)


def _volumes(document: Document, call: cst.Call, given: Given, arguments: Arguments) -> None:
    """Write ``mounts=`` for ``volumes=``, where the file shows what is mounted."""
    elements = given.value.elements if isinstance(given.value, cst.List | cst.Tuple) else ()
    mounts = [_mount(text_of(each.value)) for each in elements]
    if not mounts or "mounts" in arguments.given or not all(mounts):
        document.note(
            given.node,
            f"{arguments.what}: volumes= is gone.",
            'Give mounts=[{"type": "bind", "source": "/on/the/host", "target": "/in/the/container"}]; a '
            'named volume has the type "volume".',
        )
        return
    arguments.drop("volumes", because="mounts= says it")
    arguments.add(call, f"mounts=[{', '.join(filter(None, mounts))}]")
    document.note(
        given.node,
        f"{arguments.what}: a folder of the host that is missing was made for volumes=; mounts= fails.",
        "Make the folders, or use named volumes.",
    )


def _mount(volume: str | None) -> str | None:
    """Return the mount that says what ``source:target:mode`` does, None if that cannot be told."""
    source, _, rest = (volume or "").partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target.startswith("/") or mode not in _MODES or "{" in source + target:
        return None
    kind = "bind" if source.startswith("/") else "volume"
    said = {"type": f'"{kind}"', "source": f'"{source}"', "target": f'"{target}"', **_MODES[mode]}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in said.items()) + "}"


def _choice(old: str, new: str, values: dict[str, str]) -> Callable[..., None]:
    """Return what writes a choice of words for True and False."""

    def change(document: Document, call: cst.Call, given: Given, arguments: Arguments) -> None:
        code = document.code(given.value)
        if code in values:
            document.replace(given.value, f'"{values[code]}"')
            document.changed(given.node, f'{arguments.what}: {old}={code} is now {new}="{values[code]}"')
        elif text_of(given.value) is None:
            words = ", ".join(f'"{word}" for {value}' for value, word in values.items())
            document.note(given.node, f"{arguments.what}: {new}= takes words now.", f"Give {words}.")
        if old != new:
            arguments.rename(old, new)

    return change


def _resources(document: Document, call: cst.Call, given: Given, arguments: Arguments) -> None:
    """Write ``container_resources=`` for a dict of ``request_memory`` and its like."""
    items = Arguments(document, of_dict(given.value) or (), what="resources").given
    parts: dict[str, list[str]] = {"request": [], "limit": []}
    for name, each in items.items():
        kind, _, what = name.partition("_")
        if kind in parts and what:
            resource = what.replace("ephemeral_storage", "ephemeral-storage")
            parts[kind].append(f'"{resource}": {document.code(each.value)}')
    if not items or len(items) != sum(map(len, parts.values())):
        document.note(
            given.node,
            f"{arguments.what}: resources= says nothing of the container any more.",
            'Give container_resources=k8s.V1ResourceRequirements(limits={"memory": "1Gi"}).',
        )
        return
    said = ", ".join(f"{kind}s={{{', '.join(each)}}}" for kind, each in parts.items() if each)
    arguments.drop("resources", because="container_resources= says it")
    arguments.add(call, f"container_resources=k8s.V1ResourceRequirements({said})")
    document.imports.add(_K8S)


def _renamed(old: str, new: str) -> Callable[..., None]:
    return lambda _document, _call, _given, arguments: arguments.rename(old, new)


_DOCKER = {
    "volumes": _volumes,
    # Until 2.x the engine itself removed the container, whatever its end.
    "auto_remove": _choice("auto_remove", "auto_remove", {"True": "force", "False": "never"}),
}
#: Operator -> old argument -> what brings it up to date.
_CHANGES: dict[str, dict[str, Callable[..., None]]] = {
    "DockerOperator": _DOCKER,
    "DockerSwarmOperator": _DOCKER,
    "KubernetesPodOperator": {
        "is_delete_operator_pod": _choice(
            "is_delete_operator_pod", "on_finish_action", {"True": "delete_pod", "False": "keep_pod"}
        ),
        "node_selectors": _renamed("node_selectors", "node_selector"),
        "resources": _resources,
    },
}
