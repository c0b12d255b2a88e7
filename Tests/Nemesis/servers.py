"""The database, on a disk that can be filled, and the broker."""

import errno
import os
import pathlib
import signal
import subprocess

from processes import Failure, Process, complete, free_port, unprivileged, until

SHUTDOWN = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def can_mount():
    """Whether a mount namespace of one's own may be had; what is mounted there goes with its last process."""
    trial = "mount -t tmpfs tmpfs /mnt"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", trial]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


class Disk:
    """A folder; on a small file system of its own, which can be filled, if that may be mounted."""

    def __init__(self, folder, megabytes, is_small):
        self.folder = folder
        self.filler = folder / "filler"
        self.is_small = is_small
        folder.mkdir()
        if self.is_small:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)

    def fill(self):
        with open(self.filler, "ab") as file:
            size, step = 0, 64 << 20
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def free(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        if self.is_small:
            subprocess.run(["umount", "--lazy", self.folder], check=False)


class Database:
    SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
max_wal_size = 48MB
min_wal_size = 16MB
"""

    def __init__(self, folder, disk):
        self.disk = disk
        self.data = disk.folder / "data"
        self.port = free_port()
        self.bin = self.binaries()
        command = [self.bin / "postgres", "-D", self.data, "-p", self.port]
        self.process = Process("database", command, folder / "postgres.log", **unprivileged())

    @staticmethod
    def binaries():
        return max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))

    def url(self, port=None):
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/postgres?sslmode=disable&gssencmode=disable"

    async def prepare(self):
        if account := unprivileged():
            os.chown(self.disk.folder, account["user"], account["group"])
        options = "-A trust -U postgres -E UTF8 --locale=C.UTF-8 --wal-segsize=4 --no-instructions"
        await complete([self.bin / "initdb", "-D", self.data, *options.split()], **unprivileged())
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(self.SETTINGS)

    async def start(self):
        """Starts it, again and again if need be: it ends at once where the disk is full."""

        async def answers():
            if not self.process.is_running:
                await self.process.start()
            return await self.is_answering()

        await until("the database", answers, 60)

    async def is_answering(self):
        try:
            return await self.query("SELECT 1") == [["1"]]
        except Failure:
            return False

    async def end(self, how="fast"):
        await self.process.end(SHUTDOWN[how])

    async def query(self, statement):
        """Rows of texts."""
        options = ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
        text = await complete([self.bin / "psql", *options, "-d", self.url(), "-c", statement])
        return [line.split("\t") for line in text.splitlines()]

    async def set_read_only(self, is_on):
        change = "SET default_transaction_read_only = on" if is_on else "RESET default_transaction_read_only"
        # It may be restarting just now.
        await until("the database", self.is_answering, 60)
        await self.query(f"ALTER SYSTEM {change}")
        await self.query("SELECT pg_reload_conf()")


class Broker:
    """Mosquitto, as deploy/ has it. It keeps what it acknowledged over a restart, though not over a kill."""

    LINES = """allow_anonymous true
persistence true
autosave_interval 5
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
log_dest stderr
connection_messages true"""

    def __init__(self, folder):
        self.port = free_port()
        (folder / "mosquitto").mkdir()
        lines = [f"listener {self.port} 127.0.0.1", f"persistence_location {folder}/mosquitto/", self.LINES]
        if os.geteuid() == 0:
            lines.append("user root")
        configuration = folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n")
        program = next((path for path in ["/usr/sbin/mosquitto"] if os.path.exists(path)), "mosquitto")
        self.process = Process("broker", [program, "-c", configuration], folder / "mosquitto.log")

    async def start(self):
        await self.process.start()

    async def end(self):
        await self.process.end()
