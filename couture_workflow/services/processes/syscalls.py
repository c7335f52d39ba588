"""The seccomp filter of the sandbox: which system calls a process that parses a DAG file may not make.

A deny list with a ceiling: what is newer than the list does not exist for the process. Refused calls fail
with EPERM, so a library that merely tries one gets an ordinary ``OSError``. Numbers: Linux 6.1's
``asm/unistd_64.h`` (x86-64) and ``asm-generic/unistd.h`` (64-bit Arm).
"""

from __future__ import annotations

import errno
import platform
import socket
import struct

#: Name -> (number on x86-64, number on 64-bit Arm), None where a machine does not have it.
_Table = dict[str, tuple[int | None, int | None]]

#: Processes: none but threads of its own, none may be touched, no other program may be started.
_PROCESSES: _Table = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
#: Network, and memory or messages that outlive the process or escape its limit.
_OUTSIDE: _Table = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
}
#: The machine, and doors of the kernel that nobody needs to read a DAG file.
_MACHINE: _Table = {
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "nfsservctl": (180, 42),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "lookup_dcookie": (212, 18),
}
#: Rights, owners, times and attributes of files: Landlock does not guard them.
_ATTRIBUTES: _Table = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "mknod": (133, None),
    "mknodat": (259, 33),
}
#: Every change of a file system: refused too where neither Landlock nor a mount namespace guards files.
_WRITES: _Table = {
    "creat": (85, None),
    "openat2": (437, 437),
    "truncate": (76, 45),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
}

DENIED: _Table = {**_PROCESSES, **_OUTSIDE, **_MACHINE, **_ATTRIBUTES}

#: The first number that is newer than the tables.
_CEILING = 452
_CLONE3 = 435

#: Machine -> (column of the tables, AUDIT_ARCH of linux/audit.h).
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# linux/bpf_common.h and linux/seccomp.h
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data
_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # bit of the calls of the x32 interface
_PR_SET_PDEATHSIG = 1
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15  # they let a file send a signal to any process of the user
_FIOSETOWN, _SIOCSPGRP, _TIOCSTI, _TIOCLINUX = 0x8901, 0x8902, 0x5412, 0x541C
_O_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000  # WRONLY, RDWR, CREAT, TRUNC, the bit of TMPFILE

_Rule = tuple[int, int, int, int]


def is_supported() -> bool:
    """Tell whether the numbers of this machine are known."""
    return platform.machine() in _MACHINES


def program(pid: int, *, read_only: bool) -> bytes:
    """Return the filter as an array of ``struct sock_filter``.

    :param pid: the process that it is for, as it sees itself.
    :param read_only: refuse every change of a file system as well.
    """
    column, arch = _MACHINES[platform.machine()]
    rules: list[_Rule] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        *([(_ANY_BIT, 0, 1, _X32), _refuse(errno.ENOSYS)] if column == 0 else []),
        (_AT_LEAST, 0, 1, _CEILING),
        _refuse(errno.ENOSYS),
        (_EQUAL, 0, 1, _CLONE3),  # its flags are out of a filter's sight; the C library falls back to clone
        _refuse(errno.ENOSYS),
    ]
    denied = {**DENIED, **_WRITES} if read_only else DENIED
    for numbers in denied.values():
        if (number := numbers[column]) is not None:
            rules += [(_EQUAL, 0, 1, number), _refuse(errno.EPERM)]
    for numbers, checks in _conditions(pid, read_only=read_only):
        if (number := numbers[column]) is not None:
            rules += [(_EQUAL, 0, len(checks), number), *checks]
    rules.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *rule) for rule in rules)


def _conditions(pid: int, *, read_only: bool) -> list[tuple[tuple[int | None, int | None], list[_Rule]]]:
    """Return the calls that depend on an argument; each list of rules ends in an answer."""
    found: list[tuple[tuple[int | None, int | None], list[_Rule]]] = [
        ((56, 220), _only_bits(0, _CLONE_THREAD)),  # clone: threads
        ((62, 129), _only(0, pid)),  # kill: itself
        ((234, 131), _only(0, pid)),  # tgkill
        ((302, 261), _only(0, 0, pid)),  # prlimit64: a lower limit would end another process
        ((203, 122), _only(0, 0, pid)),  # sched_setaffinity
        ((157, 167), _never(0, _PR_SET_PDEATHSIG)),  # prctl
        ((72, 25), _never(1, _F_SETOWN, _F_SETSIG, _F_SETOWN_EX)),  # fcntl
        ((16, 29), _never(1, _FIOSETOWN, _SIOCSPGRP, _TIOCSTI, _TIOCLINUX)),  # ioctl
        ((53, 199), _stream_pairs()),  # socketpair
    ]
    if read_only:
        found += [((2, None), _no_bits(1, _O_WRITING)), ((257, 56), _no_bits(2, _O_WRITING))]  # open, openat
    return found


def _refuse(number: int) -> _Rule:
    return (_RETURN, 0, 0, _ERRNO | number)


def _argument(index: int) -> _Rule:
    """Load the lower half of an argument, which is all of an ``int``."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _only(index: int, *values: int) -> list[_Rule]:
    rules = [_argument(index)]
    for value in values:
        rules += [(_EQUAL, 0, 1, value & 0xFFFFFFFF), (_RETURN, 0, 0, _ALLOW)]
    return [*rules, _refuse(errno.EPERM)]


def _never(index: int, *values: int) -> list[_Rule]:
    rules = [_argument(index)]
    for value in values:
        rules += [(_EQUAL, 0, 1, value), _refuse(errno.EPERM)]
    return [*rules, (_RETURN, 0, 0, _ALLOW)]


def _only_bits(index: int, bits: int) -> list[_Rule]:
    return [_argument(index), (_ANY_BIT, 0, 1, bits), (_RETURN, 0, 0, _ALLOW), _refuse(errno.EPERM)]


def _no_bits(index: int, bits: int) -> list[_Rule]:
    return [_argument(index), (_ANY_BIT, 0, 1, bits), _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _stream_pairs() -> list[_Rule]:
    """Allow pairs of streams only: a pair of datagram sockets could write to any socket with a name."""
    return [
        _argument(0),
        (_EQUAL, 1, 0, int(socket.AF_UNIX)),
        _refuse(errno.EPERM),
        _argument(1),
        (_AND, 0, 0, 0xF),
        (_EQUAL, 1, 0, int(socket.SOCK_STREAM)),
        _refuse(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
