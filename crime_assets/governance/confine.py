"""Takes a process everything that it does not need, before it runs SQL of people. Linux only.

Two walls: limits of the system, and Landlock, by which the kernel lets it open nothing but what is named. Landlock
binds the calling thread and those that it starts later, so this comes before DuckDB has threads.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from pathlib import Path

READABLE = ("/proc/self/cgroup", "/sys/fs/cgroup", "/sys/devices/system/cpu")
"""DuckDB looks up its memory and its processors there, and ends if it cannot."""

_LARGEST_MEMORY = 6 << 30
_MOST_FILES = 64

# Landlock has no functions in the C library. The numbers are the same on all processors that Linux added since 2019.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ONLY_VERSION = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_ACCESS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
"""Version of Landlock → how many kinds of access to files it knows; later versions know 16."""
_NETWORK_SINCE, _SCOPE_SINCE = 4, 6
_BIND_AND_CONNECT = 0b11
_SOCKETS_AND_SIGNALS = 0b11


def limit() -> None:
    """No files written, no core dumps, few open files, bounded memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (_LARGEST_MEMORY, _LARGEST_MEMORY))


def allow_cpu(seconds: float) -> None:
    """Let this process use so many seconds of the processor from now on; the kernel ends it after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def landlock_version() -> int:
    """The kernel's version of Landlock; 0 if it has none."""
    found: int = _libc().syscall(_CREATE_RULESET, None, 0, _ONLY_VERSION)
    return max(found, 0)


def restrict(readable: Path) -> None:
    """Let this thread, and those it starts, read the directory and READABLE, and open and connect to nothing else.

    OSError if the kernel refuses.
    """
    version = landlock_version()
    files = (1 << _ACCESS_BY_VERSION.get(version, 16)) - 1
    network = _BIND_AND_CONNECT if version >= _NETWORK_SINCE else 0
    scoped = _SOCKETS_AND_SIGNALS if version >= _SCOPE_SINCE else 0
    attributes = struct.pack("QQQ", files, network, scoped)
    size = 24 if version >= _SCOPE_SINCE else 16 if version >= _NETWORK_SINCE else 8
    libc = _libc()
    rules = _checked(libc.syscall(_CREATE_RULESET, attributes, size, 0))
    try:
        for place in (readable, *filter(Path.exists, map(Path, READABLE))):
            access = _READ_FILE | _READ_DIRECTORY if place.is_dir() else _READ_FILE
            descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", access, descriptor)
                _checked(libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0))
            finally:
                os.close(descriptor)
        _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "Landlock")
    return answer
