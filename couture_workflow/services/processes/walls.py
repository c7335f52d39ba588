"""The walls of the sandbox, each on its own: namespaces, Landlock, seccomp, capabilities and limits.

Nothing here needs root, and none of the walls is the only one: a process that parses a DAG file

- sees a read-only file system with an empty folder in place of every protected one, alone with its own
  processes and without a network (namespaces, where the system lets an ordinary user make them),
- may read Python, the libraries and its own tree, and write to its scratch folder only (Landlock),
- makes no processes, sends no signals, opens no sockets (seccomp),
- has no capabilities and limits on memory, time, files and their size.

``raise_walls`` tells which of them stand, so that a missing one is reported and never silently so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.services.processes import syscalls

# asm/unistd: the same numbers on every machine
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_MOUNT_SETATTR = 442
# linux/prctl.h, linux/seccomp.h, linux/capability.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
# linux/sched.h, linux/mount.h
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x8, 0x4000, 0x40000
_MS_BIND = 0x1000
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 0x1
# linux/landlock.h
_READ = 0x1 | 0x4 | 0x8  # execute, read a file, read a folder
_READ_FILE = 0x1 | 0x4
_RIGHTS = ((1, 0x1FFF), (2, 0x2000), (3, 0x4000), (5, 0x8000))  # by the version that brought them
_SCRATCH = (
    _READ | 0x2 | 0x30 | 0x80 | 0x100 | 0x1000 | 0x4000
)  # write, remove, make folder/file/link, truncate
_ALL_OF_FILE = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000  # with truncate, and ioctl of devices
_NO_TCP, _SCOPES = 0x3, 0x3
_RULE_PATH = 1


@dataclass(frozen=True)
class Grants:
    """What the process may touch.

    :param read: files and folders that it may read.
    :param scratch: the one folder that it may write to.
    :param hidden: folders that it must never see, wherever else the walls have a hole.
    """

    read: tuple[str, ...]
    scratch: str
    hidden: tuple[str, ...] = ()


#: Seconds of processor time beyond the limit, in which Airflow's own time-out can still tell the line.
_SPARE = 2


@dataclass(frozen=True)
class Limits:
    """How much the process may use.

    :param seconds: of processor time, and of time at all for one file.
    :param memory: bytes of address space.
    :param file_size: bytes of one file that it writes.
    :param scratch: bytes of all files that it writes.
    :param files: files that it may have open at once.
    """

    seconds: int = 30
    memory: int = 2 * 2**30
    file_size: int = 8 * 2**20
    scratch: int = 64 * 2**20
    files: int = 128


def enter_namespaces(grants: Grants, limits: Limits) -> set[str]:
    """Put the *children* of this process behind namespaces; return "namespaces", "mounts" or neither.

    :param grants: its scratch folder becomes a file system of limited size.
    """
    if not _unshare():
        return set()
    try:
        _hide(grants, limits)
    except OSError:
        return {"namespaces"}
    return {"namespaces", "mounts"}


def raise_walls(
    grants: Grants, limits: Limits, *, standing: set[str], without: Iterable[str] = ()
) -> set[str]:
    """Shut this process in, for good, and return the names of all walls that stand.

    :param standing: what ``enter_namespaces`` returned.
    :param without: walls to leave out, which is how tests show that the others hold.
    """
    found, left_out = set(standing), set(without)
    _set_limits(limits)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if "landlock" not in left_out and _restrict_files(grants):
        found.add("landlock")
    _drop_capabilities()
    if "seccomp" not in left_out and syscalls.is_supported():
        with contextlib.suppress(OSError):
            _filter_calls(read_only=not found & {"landlock", "mounts"})
            found.add("seccomp")
    return found


def confine(*, read: Iterable[str], write: Iterable[str]) -> set[str]:
    """Shut this process in with the files that it may touch, for good. It may run programs and use networks.

    Signals and abstract sockets do not get out either, where the kernel knows how. All capabilities are given
    up, also those of root.

    :param read: files and folders that may be read and run.
    :param write: files and folders in which everything is allowed.
    :return: "files", "signals": the walls that stand.
    """
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    found = set[str]()
    with contextlib.suppress(OSError):
        version = _call("syscall", _LANDLOCK_CREATE, None, 0, 1)
        handled = sum(rights for since, rights in _RIGHTS if version >= since)
        scopes = _SCOPES if version >= 6 else 0
        fields = [handled, *([0] if version >= 4 else []), *([scopes] if version >= 6 else [])]
        attributes = struct.pack(f"{len(fields)}Q", *fields)
        ruleset = _call("syscall", _LANDLOCK_CREATE, attributes, len(attributes), 0)
        try:
            for path in read:
                _allow(ruleset, path, _READ & handled, _READ_FILE)
            for path in write:
                _allow(ruleset, path, handled, _ALL_OF_FILE)
            _call("syscall", _LANDLOCK_RESTRICT, ruleset, 0)
        finally:
            os.close(ruleset)
        found |= {"files", "signals"} if scopes else {"files"}
    _drop_capabilities()
    return found


def can_make_rooms() -> bool:
    """Tell whether the system lets this process make rooms (``enter_room``); it must have no threads."""
    return _in_child(list[str](), set[str](), {})


def enter_room(*, hidden: Iterable[str], kept: Iterable[str], over: Mapping[str, str] | None = None) -> bool:
    """Give this process terminals, shared memory and queues of its own, and take folders from its sight.

    Landlock does not guard connections to sockets with a path, nor one terminal from another.

    :param hidden: folders with sockets that it must not reach.
    :param kept: files and folders that it needs, also below hidden ones.
    :param over: file that it sees -> file that it sees in its place.
    :return: whether all of that could be done; the system need not let it.
    """
    needed = {found for path in kept for found in (os.path.realpath(path), os.path.abspath(path))}  # noqa: PTH100
    wanted = ([*hidden], needed, over or {})
    return _in_child(*wanted) and _make_room(*wanted)


def _in_child(hidden: list[str], kept: set[str], over: Mapping[str, str]) -> bool:
    """Tell whether a child of this process can make a room: half of one would be a prison."""
    if (child := os.fork()) == 0:
        os._exit(0 if _make_room(hidden, kept, over) else 1)
    return os.waitpid(child, 0)[1] == 0


def _make_room(hidden: list[str], kept: set[str], over: Mapping[str, str]) -> bool:
    try:
        try:
            _call("unshare", _NEWNS | _NEWIPC)
        except OSError:
            ids = os.geteuid(), os.getegid()
            _call("unshare", _NEWUSER | _NEWNS | _NEWIPC)
            _stay(*ids)
        _mount("none", "/", "", _MS_REC | _MS_PRIVATE, "")
        _mount("devpts", "/dev/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=666,mode=600")
        _mount("tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")  # noqa: S108
        for file, seen in over.items():
            _mount(seen, file, "", _MS_BIND, "")
        for folder in hidden:
            _cover(os.path.realpath(folder), kept)
    except (OSError, AttributeError):
        return False
    return True


def _cover(folder: str, kept: set[str]) -> None:
    """Put an empty file system over a folder; what is kept of it stays where it is."""
    if not Path(folder).is_dir() or folder in kept:
        return
    inside = sorted(path for path in kept if path.startswith(f"{folder}/") and Path(path).exists())
    opened = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in inside]
    try:
        _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=1m,mode=755")
        for path, number in opened:
            target, is_folder = Path(path), Path(f"/proc/self/fd/{number}").is_dir()
            if target.exists():
                continue  # it came with a folder above it
            (target if is_folder else target.parent).mkdir(parents=True, exist_ok=True)
            if not is_folder:
                target.touch()
            _mount(f"/proc/self/fd/{number}", path, "", _MS_BIND | _MS_REC, "")
    finally:
        for _, number in opened:
            os.close(number)


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that made it ends."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, 9, 0, 0, 0)


def _call(name: str, *arguments: object) -> int:
    """Call a function of the C library; OSError if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(word & 2**64 - 1) if isinstance(word, int) else word for word in arguments]
    answer = int(libc[name](*words))
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return answer


def _set_limits(limits: Limits) -> None:
    for kind, value in (
        (resource.RLIMIT_CPU, limits.seconds + _SPARE),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (value, value))
    with contextlib.suppress(AttributeError, OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))


def _unshare() -> bool:
    user, group, spaces = os.geteuid(), os.getegid(), _NEWNS | _NEWPID | _NEWNET | _NEWIPC
    with contextlib.suppress(OSError, AttributeError):
        _call("unshare", _NEWUSER | spaces)
        with contextlib.suppress(
            OSError
        ):  # without it files cannot be made; Landlock lets none be made either
            _stay(user, group)
        return True
    with contextlib.suppress(OSError, AttributeError):  # root of a machine without user namespaces
        _call("unshare", spaces)
        return True
    return False


def _stay(user: int, group: int) -> None:
    """Be the same user in a new namespace of users."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _hide(grants: Grants, limits: Limits) -> None:
    """Make all file systems read-only, put empty ones over hidden folders and a small one for scratch."""
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE, "")
    for folder in grants.hidden:
        if _is_apart(folder, grants):
            _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=4k,mode=755")
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes))
    options = f"size={limits.scratch},nr_inodes=4096,mode=700"
    _mount("tmpfs", grants.scratch, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)


def _is_apart(folder: str, grants: Grants) -> bool:
    """Tell whether nothing that must be readable lies in the folder."""
    inside = f"{folder.rstrip('/')}/"
    needed = (*grants.read, grants.scratch)
    return Path(folder).is_dir() and not any(f"{path}/".startswith(inside) for path in needed)


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    _call("mount", source.encode(), os.fsencode(target), kind.encode() or None, flags, options.encode())


def _restrict_files(grants: Grants) -> bool:
    try:
        version = _call("syscall", _LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return False
    handled = 0
    for since, rights in _RIGHTS:
        handled |= rights if version >= since else 0
    fields = [handled, *([_NO_TCP] if version >= 4 else []), *([_SCOPES] if version >= 6 else [])]
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    ruleset = _call("syscall", _LANDLOCK_CREATE, attributes, len(attributes), 0)
    try:
        for path in grants.read:
            _allow(ruleset, path, _READ & handled)
        _allow(ruleset, grants.scratch, _SCRATCH & handled)
        _allow(ruleset, "/dev/null", (_READ_FILE | 0x2) & handled)
        _call("syscall", _LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int, of_file: int = _READ_FILE | 0x2) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be read
    try:
        allowed = rights if Path(path).is_dir() else rights & of_file
        rule = struct.pack("=Qi", allowed, target)
        _call("syscall", _LANDLOCK_ADD, ruleset, _RULE_PATH, rule, 0)
    finally:
        os.close(target)


def _drop_capabilities() -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    with contextlib.suppress(OSError, AttributeError):
        _call("capset", header, bytes(24))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_calls(*, read_only: bool) -> None:
    text = syscalls.program(os.getpid(), read_only=read_only)
    program = _Program(len(text) // 8, text)
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
