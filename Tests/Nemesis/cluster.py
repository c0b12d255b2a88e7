"""PostgreSQL with a standby, as Patroni keeps it: two nodes, and etcd, which says who leads. Every way to a node is a link of its own."""

import asyncio
import copy
import json
import os
import pathlib
import pwd
import signal
import urllib.error
import urllib.request

import yaml
from link import Link
from packets import any_end
from processes import Failure, Process, complete, free_port, unprivileged, until
from servers import Database

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy/patroni"
# What is tried is what deploy/ has, but for names, ports and passwords.
PATRONI = yaml.safe_load((DEPLOY / "patroni.yml").read_text())
TTL = PATRONI["bootstrap"]["dcs"]["ttl"]
PASSWORD = "HOOKLINE_PASSWORD"


class Node:
    """A database server under Patroni, and the ways to it."""

    def __init__(self, name, folder, binaries):
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.port, self.rest_port = free_port(), free_port()
        # To PostgreSQL and Patroni for everybody else, and to etcd for Patroni.
        self.links = {}
        self.binaries = binaries
        command = ["patroni", self.folder / "patroni.json"]
        log = folder / f"{name}.log"
        # Libraries that are asked for a home that cannot be read fail.
        environment = {**os.environ, "HOME": str(self.folder)}
        self.process = Process(name, command, log, env=environment, **unprivileged())

    async def make_certificate(self):
        """In the place of Debian's, whose key not everybody may read."""
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={self.name}"]
        await complete([*command, "-keyout", key, "-out", certificate])
        return {"ssl_cert_file": str(certificate), "ssl_key_file": str(key)}

    async def prepare(self, etcd_port):
        for way, port in {"database": self.port, "patroni": self.rest_port, "etcd": etcd_port}.items():
            self.links[way] = Link(f"{self.name}-{way}", port, any_end)
            await self.links[way].open()
        configuration = self.configuration(await self.make_certificate())
        self.folder.joinpath("patroni.json").write_text(json.dumps(configuration, indent=2))
        if account := unprivileged():
            for path in [self.folder, *self.folder.iterdir()]:
                os.chown(path, account["user"], account["group"])

    def configuration(self, certificate):
        made = copy.deepcopy(PATRONI)
        made["name"] = self.name
        made["restapi"] = {
            "listen": f"127.0.0.1:{self.rest_port}",
            "connect_address": f"127.0.0.1:{self.links['patroni'].port}",
        }
        made["watchdog"] = {"mode": "off"}
        # It would find out where etcd is without the link, and go there.
        made["etcd3"] = {"hosts": [f"127.0.0.1:{self.links['etcd'].port}"], "use_proxies": True}
        made["bootstrap"]["dcs"]["postgresql"]["parameters"] |= {
            "shared_buffers": "32MB",
            "unix_socket_directories": str(self.folder),
        }
        made["postgresql"] |= {
            "listen": f"127.0.0.1:{self.port}",
            "connect_address": f"127.0.0.1:{self.links['database'].port}",
            "data_dir": str(self.folder / "data"),
            "bin_dir": str(self.binaries),
            "pgpass": str(self.folder / "pgpass"),
            "pg_hba": [line.replace("NETWORK", "127.0.0.1/32") for line in PATRONI["postgresql"]["pg_hba"]],
        }
        made["postgresql"]["parameters"] |= certificate
        if not unprivileged():
            # By the socket a user of the system comes in under no other name.
            own = pwd.getpwuid(os.geteuid()).pw_name
            made["postgresql"]["authentication"]["superuser"]["username"] = own
            made["postgresql"]["pg_hba"].append(f"local all {own} peer")
        return made

    def postmaster(self):
        """The number of its PostgreSQL, if one runs."""
        try:
            number = int((self.folder / "data/postmaster.pid").read_text().split()[0])
            os.kill(number, 0)
            return number
        except (OSError, ValueError, IndexError):
            return None

    def numbers(self):
        """Of all its processes."""
        found = [self.process.child.pid] if self.process.is_running else []
        if postmaster := self.postmaster():
            children = "".join(path.read_text() for path in children_files(postmaster)).split()
            found += [postmaster, *map(int, children)]
        return found

    def send(self, number):
        for each in self.numbers():
            try:
                os.kill(each, number)
            except ProcessLookupError:
                # It has just ended.
                pass

    async def kill(self):
        """As a machine that loses its power."""
        self.send(signal.SIGKILL)
        await self.process.end(signal.SIGKILL)

    def silence(self):
        for link in self.links.values():
            link.silence()

    def heal(self):
        for link in self.links.values():
            link.heal()


def children_files(number):
    return pathlib.Path(f"/proc/{number}/task").glob("*/children")


class Cluster(Database):
    def __init__(self, folder, has_proxy):
        """has_proxy is whether the nodes are reached by HAProxy, or each by its address."""
        self.folder = folder / "cluster"
        self.folder.mkdir(mode=0o755)
        self.bin = Database.binaries()
        self.nodes = [Node(name, self.folder, self.bin) for name in ("a", "b")]
        self.etcd_port = free_port()
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        options = {
            "name": "etcd",
            "data-dir": self.folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"etcd={peer}",
        }
        command = ["etcd", *(part for name, value in options.items() for part in (f"--{name}", value))]
        self.etcd = Process("etcd", command, self.folder / "etcd.log")
        self.proxy_port = free_port() if has_proxy else None
        command = ["haproxy", "-db", "-f", self.folder / "haproxy.cfg"]
        self.proxy = Process("haproxy", command, self.folder / "haproxy.log")

    def url(self, port=None):
        ports = [self.proxy_port] if self.proxy_port else [node.links["database"].port for node in self.nodes]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        options = "target_session_attrs=read-write&connect_timeout=3&sslmode=require&gssencmode=disable"
        return f"postgresql://hookline:{PASSWORD}@{hosts}/hookline?{options}"

    async def prepare(self):
        for node in self.nodes:
            await node.prepare(self.etcd_port)
        text = (DEPLOY / "haproxy.cfg").read_text().replace("*:5000", f"127.0.0.1:{self.proxy_port}")
        for node in self.nodes:
            database, patroni = node.links["database"].port, node.links["patroni"].port
            place = f"ADDRESS_{node.name.upper()}:5432 check port 8008"
            text = text.replace(place, f"127.0.0.1:{database} check port {patroni}")
        (self.folder / "haproxy.cfg").write_text(text)

    async def start(self):
        await self.etcd.start()
        if self.proxy_port:
            await self.proxy.start()
        # Whoever is first makes the database, the other copies it.
        for node in self.nodes:
            await node.process.start()
            await until(f"node {node.name} to run", lambda node=node: self.runs(node), 90)
        await until("a standby that has everything", self.is_whole, 60)

    async def end(self, how="fast"):
        for node in self.nodes:
            node.send(signal.SIGCONT)
            await node.kill()
        await self.proxy.end()
        await self.etcd.end()

    async def set_read_only(self, is_on):
        raise Failure("it is Patroni that says which node takes changes")

    # What Patroni says

    async def members(self):
        """By name: the role and the state of each node, as the one that is asked first knows them."""
        for node in self.nodes:
            try:
                text = await asyncio.to_thread(read, f"http://127.0.0.1:{node.rest_port}/cluster")
            except OSError:
                continue
            return {each["name"]: (each["role"], each["state"]) for each in json.loads(text)["members"]}
        return {}

    async def runs(self, node):
        _, state = (await self.members()).get(node.name, (None, None))
        return state in ("running", "streaming")

    async def leads(self, name):
        """Whether this node takes changes, by its own word."""
        node = next(node for node in self.nodes if node.name == name)
        try:
            await asyncio.to_thread(read, f"http://127.0.0.1:{node.rest_port}/primary")
            return True
        except OSError:
            return False

    async def leader(self):
        for node in self.nodes:
            if await self.leads(node.name):
                return node
        raise Failure("no node leads")

    async def is_whole(self):
        """Whether one node leads and the other has all that is committed."""
        return sorted(role for role, _ in (await self.members()).values()) == ["leader", "sync_standby"]

    async def switch_over(self):
        leader = await self.leader()
        body = json.dumps({"leader": leader.name}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{leader.rest_port}/switchover", body, method="POST")
        await asyncio.to_thread(read, request)
        return leader


def read(request):
    """Raises OSError for whatever is no success."""
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()
