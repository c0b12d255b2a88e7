"""Wall clocks of programs, which can be set while they run. The monotonic clock goes on."""

import os
import pathlib
import shutil
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("clock.c")


def compiler():
    """One of the system's, or the one that comes with Swift."""
    beside_swift = pathlib.Path(shutil.which("swift") or "/").resolve().with_name("clang")
    return next(filter(None, map(shutil.which, ("cc", "clang", "gcc", str(beside_swift)))), None)


def build_library(folder):
    """Makes the library that programs with a clock of their own load; None if there is no compiler."""
    if (program := compiler()) is None:
        return None
    library = folder / "clock.so"
    subprocess.run([program, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class Clock:
    def __init__(self, library, file):
        """file is made, and read by the programs."""
        self.library = library
        self.file = file
        file.write_bytes(bytes(8))

    def environment(self):
        """What a program that follows it is started with."""
        return {"LD_PRELOAD": str(self.library), "NEMESIS_CLOCK": str(self.file)} if self.library else {}

    def set(self, seconds):
        """Ahead of everybody else's by so much, or behind."""
        descriptor = os.open(self.file, os.O_WRONLY)
        try:
            # In place: programs have it in their memory.
            os.pwrite(descriptor, struct.pack("=q", seconds), 0)
        finally:
            os.close(descriptor)
