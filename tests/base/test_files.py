"""Files at paths that others may have a hand in."""

from __future__ import annotations

import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from redistill.base import files
from redistill.base.files import UnsafeFile, open_append, open_file


class FilesCase(SynchronousTestCase):
    """A directory for each test."""

    def setUp(self) -> None:
        self.place = os.path.abspath(self.mktemp())
        os.mkdir(self.place)
        self.path = os.path.join(self.place, "file")

    def use(self, fd: int) -> os.stat_result:
        """The file that a descriptor refers to; the descriptor is closed."""
        status = os.fstat(fd)
        os.close(fd)
        return status

    def as_another(self) -> None:
        """From now on what was made belongs to somebody else."""
        user = os.getuid()
        self.patch(os, "geteuid", lambda: user + 1)
        if user == 0:  # root's files are trusted: have them be another one's
            real, shifted = os.fstat, os.stat

            def moved(status: os.stat_result) -> os.stat_result:
                return os.stat_result([*status[:4], status.st_uid + 2, *status[5:]])

            self.patch(files.os, "fstat", lambda fd: moved(real(fd)))
            self.patch(files.os, "stat", lambda *args, **named: moved(shifted(*args, **named)))


class OpenFileTests(FilesCase):
    """To read and write"""

    def test_new(self) -> None:
        """A file that was not there can be reached by its owner only, whatever the umask allows."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.assertEqual(stat.S_IMODE(self.use(open_file(self.path)).st_mode), 0o600)

    def test_there(self) -> None:
        """One that is there is opened, and keeps its contents."""
        with open(self.path, "wb") as file:
            file.write(b"data")
        self.assertEqual(self.use(open_file(self.path)).st_size, 4)

    def test_link(self) -> None:
        """A symbolic link is not followed, whoever made it."""
        os.symlink("elsewhere", self.path)
        self.assertRaises(UnsafeFile, open_file, self.path)

    def test_links_on_the_way(self) -> None:
        """Directories may be reached by links of ours, relative and absolute, and by '..'."""
        os.mkdir(os.path.join(self.place, "real"))
        os.symlink("real", os.path.join(self.place, "relative"))
        os.symlink(os.path.join(self.place, "real"), os.path.join(self.place, "absolute"))
        os.symlink("../" + os.path.basename(self.place) + "/real", os.path.join(self.place, "up"))
        wanted = self.use(open_file(os.path.join(self.place, "real", "file")))
        for name in ("relative", "absolute", "up", "real/../up"):
            found = self.use(open_file(os.path.join(self.place, name, "file")))
            self.assertTrue(os.path.samestat(found, wanted))

    def test_links_of_others_on_the_way(self) -> None:
        """Links of another user are not followed."""
        os.mkdir(os.path.join(self.place, "real"))
        os.symlink("real", os.path.join(self.place, "link"))
        self.as_another()
        with self.assertRaisesRegex(UnsafeFile, "'link' on the way is a symbolic link that belongs to user"):
            open_file(os.path.join(self.place, "link", "file"))
        self.assertEqual(os.listdir(os.path.join(self.place, "real")), [])

    def test_circle(self) -> None:
        """Links that lead nowhere end."""
        os.symlink("link", os.path.join(self.place, "link"))
        self.assertRaises(OSError, open_file, os.path.join(self.place, "link", "file"))

    def test_no_directory(self) -> None:
        """Neither does a file stand for a directory."""
        self.use(open_file(self.path))
        self.assertRaises(NotADirectoryError, open_file, os.path.join(self.path, "file"))

    def test_nothing_is_left_open(self) -> None:
        """Whatever the outcome, no descriptor is left behind."""
        os.symlink("elsewhere", os.path.join(self.place, "link"))
        before = os.listdir("/proc/self/fd")
        self.use(open_file(self.path))
        self.assertRaises(UnsafeFile, open_file, os.path.join(self.place, "link"))
        self.assertRaises(OSError, open_file, os.path.join(self.place, "none", "file"))
        self.assertRaises(OSError, open_append, self.place)
        self.assertEqual(os.listdir("/proc/self/fd"), before)


class OpenAppendTests(FilesCase):
    """To append, as a log does"""

    def test_new_and_there(self) -> None:
        """The file is made, and gone on with."""
        for _ in range(2):
            fd = open_append(self.path)
            os.write(fd, b"line\n")
            os.close(fd)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"line\n" * 2)

    def test_mode(self) -> None:
        """A new file may be read by its group, and by nobody else, whatever the umask; one that is there keeps its
        mode."""
        for umask in (0o077, 0o022, 0):
            self.addCleanup(os.umask, os.umask(umask))
            self.assertEqual(stat.S_IMODE(self.use(open_append(self.path)).st_mode), 0o640)
            os.unlink(self.path)
        self.use(open_append(self.path))
        os.chmod(self.path, 0o604)
        self.assertEqual(stat.S_IMODE(self.use(open_append(self.path)).st_mode), 0o604)

    def test_link_of_ours(self) -> None:
        """A symbolic link that root or we have made is followed: /dev/stdout is one."""
        os.symlink("target", self.path)
        self.use(open_append(self.path))
        self.assertTrue(os.path.exists(os.path.join(self.place, "target")))
        self.use(open_append("/dev/stdout"))

    def test_link_of_another(self) -> None:
        """That of another user is not."""
        os.symlink("target", self.path)
        self.as_another()
        self.assertRaises(UnsafeFile, open_append, self.path)
        self.assertFalse(os.path.exists(os.path.join(self.place, "target")))

    def test_file_of_another(self) -> None:
        """Where anybody may make files, another user's file is not written to; elsewhere it is an operator's doing."""
        self.use(open_append(self.path))
        self.as_another()
        self.use(open_append(self.path))
        os.chmod(self.place, 0o1777)
        self.assertRaises(UnsafeFile, open_append, self.path)

    def test_second_name(self) -> None:
        """Nor is there one that has another name, too."""
        self.use(open_append(self.path))
        os.link(self.path, os.path.join(self.place, "second"))
        os.chmod(self.place, 0o1777)
        self.assertRaises(UnsafeFile, open_append, self.path)
