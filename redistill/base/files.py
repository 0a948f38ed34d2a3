"""Files at paths that other users may change: opened so that no user can make us write to a file of their choice.

The rules are those of the kernel's fs.protected_symlinks, _hardlinks and _regular (proc_sys_fs(5)), for machines where
they are off, and stricter for what holds secrets.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque

MOST_LINKS = 40
"""Symbolic links followed on the way to a file, as the kernel does."""
LOG_MODE = 0o640
"""Permissions of a new log file: its group, `adm` on Debian, may read it. Clients' addresses and names are in it."""
WRITABLE_BY_OTHERS = stat.S_IWOTH
BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnsafeFile(OSError):
    """A file that is not to be used; the text says why and how to mend it."""

    path = ""
    """The file's path, if the caller has set it."""


def open_file(path: str) -> int:
    """A descriptor to read and write the file at `path`, made with mode 0600 if there is none.

    Raises UnsafeFile when it is a symbolic link, or OSError.
    """
    directory = _open_directory(os.path.dirname(path))
    try:
        return _open_at(directory, os.path.basename(path), os.O_RDWR | os.O_NONBLOCK, 0o600)
    finally:
        os.close(directory)


def expect_private(fd: int) -> None:
    """Raises UnsafeFile unless only this process's user can reach the file, by one name."""
    status = os.fstat(fd)
    if status.st_uid != os.geteuid():
        raise UnsafeFile(
            f"it belongs to user {status.st_uid}, and the server runs as user {os.geteuid()}; remove it, or chown it"
        )
    if status.st_mode & BY_OTHERS:
        raise UnsafeFile(
            f"others may reach it, its mode is {status.st_mode & 0o7777:04o}; remove it, or chmod it to 0600"
        )
    _expect_one_name(status)


def open_append(path: str) -> int:
    """A descriptor to append to the file at `path` with, made with mode `LOG_MODE` if there is none.

    A symbolic link is followed if it is ours or root's. In a directory where anybody may make files, the file must be
    ours or root's too, and have no other name. Raises UnsafeFile, or OSError.
    """
    directory, fd = _open_directory(os.path.dirname(path)), -1
    try:
        name = os.path.basename(path)
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        if status is not None and stat.S_ISLNK(status.st_mode):
            _expect_trusted(name, status)
            return os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, LOG_MODE, dir_fd=directory)
        fd = _open_at(directory, name, os.O_WRONLY | os.O_APPEND, LOG_MODE)
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and os.fstat(directory).st_mode & WRITABLE_BY_OTHERS:
            _expect_trusted("it", status)
            _expect_one_name(status)
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise
    finally:
        os.close(directory)
    return fd


def _open_directory(path: str) -> int:
    """A descriptor of the directory (O_PATH): nobody can exchange it, or a part of the way to it, any more."""
    place = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    names, links = deque(os.path.abspath(path).split("/")), 0
    try:
        while names:
            name = names.popleft()
            if name in ("", "."):
                continue
            found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            status = os.fstat(found)
            if not stat.S_ISLNK(status.st_mode):
                os.close(place)
                place = found
                if not stat.S_ISDIR(status.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
                continue
            target = os.readlink("", dir_fd=found)
            os.close(found)
            _expect_trusted(name, status)
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            names.extendleft(reversed(target.split("/")))
            if target.startswith("/"):
                os.close(place)
                place = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except BaseException:
        os.close(place)
        raise
    return place


def _open_at(directory: int, name: str, flags: int, mode: int) -> int:
    """Open the file, or make it. Raises UnsafeFile when it is a symbolic link.

    Not in one step with O_CREAT, which fs.protected_regular refuses for files of others without saying why.
    """
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(8):  # it may come and go in between
        try:
            return os.open(name, flags, dir_fd=directory)
        except FileNotFoundError:
            pass
        except OSError as problem:
            if problem.errno == errno.ELOOP:
                raise UnsafeFile("it is a symbolic link, which is not followed; remove it") from None
            raise
        try:
            fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=directory)
        except FileExistsError:
            continue
        os.fchmod(fd, mode)  # whatever the umask is: twistd's, of a daemon, leaves nothing to the group
        return fd
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), name)


def _expect_one_name(status: os.stat_result) -> None:
    if status.st_nlink != 1:
        raise UnsafeFile(f"it has {status.st_nlink} names (hard links); remove it, or the others")


def _expect_trusted(name: str, status: os.stat_result) -> None:
    """A link, or a file: whose it is."""
    if status.st_uid not in (0, os.geteuid()):
        what = f"{name!r} on the way is a symbolic link that" if stat.S_ISLNK(status.st_mode) else name
        raise UnsafeFile(f"{what} belongs to user {status.st_uid}; remove it")
