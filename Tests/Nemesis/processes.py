"""Programs that are started with a log of their own, and ended by their number."""

import asyncio
import os
import pathlib
import pwd
import signal
import socket


class Failure(Exception):
    """Something that the nemesis itself cannot do."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def unprivileged():
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


async def complete(command, **options):
    """Runs a program to its end, and answers what it says."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        **options,
    )
    try:
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise Failure(f"{pathlib.Path(command[0]).name} ended with {process.returncode}: {errors.decode()[-400:]}")
    return output.decode()


async def until(what, condition, seconds=30):
    """Waits for a condition, which may be a coroutine and may raise Failure while it does not hold."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise Failure(f"waited {seconds} s in vain for {what}") from None


class Process:
    def __init__(self, name, command, log, **options):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.options = options
        self.child = None

    async def start(self):
        with self.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                # A Ctrl-C at our terminal is for us.
                start_new_session=True,
                **self.options,
            )

    @property
    def is_running(self):
        return self.child is not None and self.child.returncode is None

    def send(self, number):
        if self.is_running:
            self.child.send_signal(number)

    async def end(self, number=signal.SIGTERM, seconds=20):
        """Sends a signal and waits; what does not end in time is killed.

        Returns the exit code, or None if it had to be killed.
        """
        if self.child is None:
            return None
        self.send(number)
        try:
            async with asyncio.timeout(seconds):
                return await self.child.wait()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.child.wait()
            return None
