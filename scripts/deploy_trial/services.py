"""Services of compose.yaml as processes: each with a root, a process table and a network of its own, as its user, with the
volumes, settings and limits that the file says."""

import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import time

from roots import PATH, Image, copy, debian, say

NETWORK = "10.77.0"


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while True:
        if condition():
            return
        if time.monotonic() > end:
            fail(f"waited in vain for {what}")
        time.sleep(0.3)


class Network:
    """A bridge that services are tied to. All of it lies in this process's own network namespace."""

    def __init__(self, names):
        self.addresses = {name: f"{NETWORK}.{index + 10}" for index, name in enumerate(names)}
        self.host = f"{NETWORK}.1"
        for command in (
            "link set lo up",
            # Of its own: otherwise it changes with each port, and what others have learnt of it is wrong for a while.
            "link add bridge0 address 02:00:00:00:00:01 type bridge",
            f"addr add {self.host}/24 dev bridge0",
            "link set bridge0 up",
        ):
            subprocess.run(["ip", *command.split()], check=True)

    def attach(self, name, pid):
        number = self.addresses[name].rsplit(".", 1)[1]
        inside = ["nsenter", "--target", str(pid), "--net", "ip"]
        subprocess.run(["ip", "link", "delete", f"veth{number}"], check=False, stderr=subprocess.DEVNULL)
        for command in (
            ["ip", *f"link add veth{number} type veth peer name eth0 netns {pid}".split()],
            ["ip", *f"link set veth{number} master bridge0 up".split()],
            [*inside, *f"addr add {self.addresses[name]}/24 dev eth0".split()],
            [*inside, *["link", "set", "eth0", "up"]],
            [*inside, *["link", "set", "lo", "up"]],
        ):
            subprocess.run(command, check=True)

    def hosts(self, name):
        lines = ["127.0.0.1 localhost", *(f"{address} {other}" for other, address in self.addresses.items())]
        return "\n".join(lines) + "\n"


class Service:
    """One service, started and watched."""

    def __init__(self, name, model, image, work, network):
        self.name, self.model, self.image, self.work, self.network = name, model, image, work, network
        # Each container has a layer of its own.
        self.root = copy(image.root, work / "containers" / name)
        self.log = work / "logs" / f"{name}.log"
        self.log.parent.mkdir(exist_ok=True)
        self.log.unlink(missing_ok=True)
        self.process = None
        self.pid = 0
        self.said = ""

    @property
    def address(self):
        return self.network.addresses[self.name]

    def start(self):
        say(f"  start {self.name}")
        ready_read, ready_write = os.pipe()
        go_read, go_write = os.pipe()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    *[
                        "unshare",
                        "--mount",
                        "--pid",
                        "--net",
                        "--ipc",
                        "--uts",
                        "--fork",
                        "--",
                        "sh",
                        "-ec",
                    ],
                    # Its network is tied up from outside before it begins.
                    f"echo >&{ready_write}; read -r _ <&{go_read}; exec {ready_write}>&- {go_read}<&-\n"
                    + self.script(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[ready_write, go_read],
            )
        os.close(ready_write)
        os.close(go_read)
        os.read(ready_read, 1)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pid = int(children[0])
        if self.model.get("network_mode") != "none":
            self.network.attach(self.name, self.pid)
        os.write(go_write, b"\n")
        os.close(go_write)
        os.close(ready_read)
        # Before that it is a shell that still mounts what a program needs.
        until(f"{self.name} to be in its root", self.is_inside)

    def is_inside(self):
        try:
            return os.readlink(f"/proc/{self.pid}/root") == str(self.root)
        except FileNotFoundError:
            # It has ended already.
            return True

    def script(self):
        root = str(self.root)
        lines = [
            "mount --make-rprivate /",
            f"mount --bind {root} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
            f"mkdir {root}/dev/shm",
            f"mount -t tmpfs -o mode=1777,size={self.model.get('shm_size', '64m')} tmpfs {root}/dev/shm",
        ]
        for device in ("null", "zero", "full", "random", "urandom"):
            lines.append(f"touch {root}/dev/{device}; mount --bind /dev/{device} {root}/dev/{device}")
        for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            lines.append(f"ln -s /proc/self/{target} {root}/dev/{name}")
        hosts = self.work / "logs" / f"{self.name}.hosts"
        hosts.write_text(self.network.hosts(self.name))
        (self.root / "etc/hosts").touch()
        lines.append(f"mount --bind {hosts} {root}/etc/hosts")
        for volume in self.model.get("volumes", []):
            lines += self.volume(volume)
        if self.model.get("read_only"):
            lines.append(f"mount -o remount,bind,ro {root}")
        lines.append(f"cd {root}")
        lines.append(f"exec chroot {root} {self.entered()} {shlex.join(self.command())}")
        return "\n".join(lines)

    def volume(self, text):
        source, target, *mode = text.split(":")
        folder = self.work / "volumes" / source if not source.startswith("/") else pathlib.Path(source)
        inside = self.root / target.lstrip("/")
        if not folder.exists():
            # A new volume begins as what the image has there.
            folder.parent.mkdir(exist_ok=True)
            if inside.exists():
                copy(inside, folder)
            else:
                folder.mkdir()
        inside.mkdir(parents=True, exist_ok=True)
        lines = [f"mount --bind {folder} {inside}"]
        if "ro" in mode:
            lines.append(f"mount -o remount,bind,ro {inside}")
        return lines

    def identity(self):
        """Its user's and group's numbers, by the files of its own root."""
        user, _, group = str(self.model.get("user") or self.image.user).partition(":")
        accounts = [line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines()]
        for account in accounts:
            if user in (account[0], account[2]):
                return account[2], group or account[3]
        return user, group or "0"

    def entered(self):
        """What stands before a program that runs in it."""
        user, group = self.identity()
        words = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        if "no-new-privileges:true" in self.model.get("security_opt", []):
            words.append("--no-new-privs")
        if "ALL" in self.model.get("cap_drop", []):
            words += ["--bounding-set=-all", "--inh-caps=-all"]
        environment = {"PATH": PATH, "HOME": "/", "HOSTNAME": self.name, **self.image.environment}
        environment.update(self.model.get("environment") or {})
        words += ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        return shlex.join(words)

    def command(self):
        entrypoint = self.model.get("entrypoint") or self.image.entrypoint
        command = self.model.get("command") or self.image.command
        if self.model.get("entrypoint"):
            command = self.model.get("command") or []
        return [*entrypoint, *command]

    # Looking on and ending

    def run(self, *words, check=True, stdin=None):
        """Runs a program in it: what `docker compose exec` does."""
        inside = f"nsenter --target {self.pid} --mount --pid --net --ipc --uts -- chroot {self.root} {self.entered()} "
        done = subprocess.run(
            ["sh", "-c", inside + shlex.join(words)],
            capture_output=True,
            text=True,
            check=False,
            input=stdin,
        )
        if check and done.returncode != 0:
            fail(f"{words} in {self.name} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def is_healthy(self):
        if self.process.poll() is not None:
            fail(f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        test = (self.model.get("healthcheck") or {}).get("test") or ["CMD", *self.image.healthcheck]
        words = ["sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]
        done = self.run(*words, check=False)
        self.said = f"{done.stdout}{done.stderr}".strip()
        return done.returncode == 0

    def wait_until_healthy(self):
        until(f"{self.name} to be healthy (see {self.log})", self.is_healthy, 90)
        say(f"  {self.name} is healthy: {self.said}")

    def wait(self, seconds=60):
        return self.process.wait(seconds)

    def kill(self):
        """Ends it as it is; it is the first of its processes, so the others end with it."""
        if self.process and self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()

    def end(self, number=signal.SIGTERM, seconds=60):
        os.kill(self.pid, number)
        status = self.process.wait(seconds)
        say(f"  {self.name}: {signal.Signals(number).name}, ended with {status}")
        return status


def caller(machine, token):
    """Calls the API of what runs on a machine, which listens there alone."""

    def call(method, path, body=None):
        command = ["nsenter", "--target", str(machine.pid), "--net", "curl", "-sS", "-f", "-X", method]
        command += ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
        command += ["-d", json.dumps(body)] if body else []
        done = subprocess.run([*command, f"http://127.0.0.1:9021{path}"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail(f"{method} {path}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    return call


def postgres_root(work):
    """Debian's PostgreSQL, which needs the network to come here."""
    return debian(work / "debian-for-postgres", ["postgresql"])


def postgres_image(work):
    """Debian's PostgreSQL with the steps of the official image's entrypoint, which is not ours to build: the cluster, the
    database and its user with the password from the file, then the command as it is given."""
    image = Image(copy(postgres_root(work), work / "images" / "postgres"))
    programs = next((image.root / "usr/lib/postgresql").iterdir())
    for name in ("postgres", "initdb", "pg_ctl"):
        link = image.root / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"/usr/lib/postgresql/{programs.name}/bin/{name}")
    # The official image's user has this number, which make-secrets gives the password's file to.
    for line in ("usermod -u 999 postgres", "groupmod -g 999 postgres"):
        subprocess.run(["chroot", image.root, *line.split()], check=True, stdout=subprocess.DEVNULL)
    entrypoint = image.root / "usr/local/bin/docker-entrypoint.sh"
    entrypoint.write_text(
        """#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 --auth-local=trust
    pg_ctl -w -o "-c listen_addresses='' -k /tmp" start
    psql -h /tmp -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE $POSTGRES_DB"
    pg_ctl -w stop
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
program=$1
shift
exec "$program" "-clisten_addresses=*" -k /tmp "$@"
"""
    )
    entrypoint.chmod(0o755)
    image.environment = {"PGDATA": "/var/lib/postgresql/data", "PGHOST": "/tmp", "LANG": "C.UTF-8"}
    image.user = "postgres"
    image.entrypoint = ["docker-entrypoint.sh"]
    data = image.root / "var/lib/postgresql/data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    os.chown(data, 999, 999)
    return image
