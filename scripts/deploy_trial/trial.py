#!/usr/bin/env python3
"""Carries out deploy/Dockerfile and deploy/compose.yaml in clean Debian roots, without a container engine, and then does what a
new operator would: up, a token, a webhook, things that publish over TLS, restarts, three instances.

Needs root, debootstrap, docker-compose (for reading the file alone), iproute2, mosquitto_pub, a Swift toolchain, and the network
for Debian's packages. What it makes lies in the folder that is given, and is used again by the next run."""

import argparse
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import roots
import yaml
from machine import machine_root, try_machine
from package import package_root, try_package
from roots import say
from services import Network, Service, fail, postgres_image, postgres_root, until
from times import Times

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=REPOSITORY / ".build/deploy-trial")
    parser.add_argument(
        "--mount", action="append", default=[], help="shown to the build as it is here, such as a mirror"
    )
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--keep-images", action="store_true", help="do not build again what was built before")
    images.add_argument(
        "--binary",
        type=pathlib.Path,
        help="what `make release` made, in the place of what the stage `build` of the Dockerfile would",
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def build_images(options):
    say("The images, as deploy/Dockerfile says")
    context = roots.clean_context(REPOSITORY, options.folder / "context")
    toolchain = pathlib.Path(shutil.which("swift")).resolve().parents[2]
    mounts = [(path, path) for path in options.mount]
    made = None
    if options.binary:
        backtrace = "usr/libexec/swift/linux/swift-backtrace-static"
        made = {"/build/.build/release/hookline": options.binary, f"/{backtrace}": toolchain / backtrace}
    images = roots.build(context / "deploy/Dockerfile", context, options.folder, toolchain, mounts, made)
    binary = images["hookline"].root / "usr/local/bin/hookline"
    linked = subprocess.run(
        ["chroot", images["hookline"].root, "ldd", "/usr/local/bin/hookline"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "not found" in linked or "libswift" in linked:
        fail(f"the binary needs what the image has not:\n{linked}")
    say(
        f"  the binary has {binary.stat().st_size / 1e6:.0f} MB and needs {len(linked.splitlines())} libraries, all there"
    )
    base = megabytes(options.folder / "debian/root")
    for name in ("hookline", "broker"):
        say(f"  {name}: {megabytes(images[name].root) - base} MB more than a bare Debian")
    description = {
        name: {key: value for key, value in vars(image).items() if key != "root"} for name, image in images.items()
    }
    (options.folder / "images.json").write_text(json.dumps(description))


def megabytes(folder):
    listed = subprocess.run(["du", "-sm", folder], capture_output=True, text=True, check=True).stdout
    return int(listed.split()[0])


def load_images(options):
    images = {}
    for name, values in json.loads((options.folder / "images.json").read_text()).items():
        images[name] = roots.Image(options.folder / "images" / name)
        vars(images[name]).update(values)
    return images


def compose_model(environment):
    text = subprocess.run(
        ["docker-compose", "--file", REPOSITORY / "deploy/compose.yaml", "--profile", "scaled", "config"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    ).stdout
    return yaml.safe_load(text)["services"]


class Receiver:
    """Counts what webhooks bring."""

    def __init__(self, host):
        self.bodies = []
        bodies = self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            # Three instances connect at once.
            request_queue_size = 1_024

        server = Server((host, 8080), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://{host}:8080/hook"


class Client:
    def __init__(self, base, token):
        self.base, self.token = base, token

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method, data=json.dumps(body).encode() if body else None
        )
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return json.loads(text) if text[:1] in b"[{" else text
        except urllib.error.HTTPError as error:
            fail(f"{method} {path}: {error.code} {error.read()}")


class Thing:
    """A device: the broker's tools, its certificate authority, and its own id and key."""

    def __init__(self, broker, id, key):
        self.broker, self.id, self.key = broker, id, key

    def publish(self, payloads, key=None):
        return self.broker.run(
            *f"mosquitto_pub -h localhost -p 8883 --cafile /run/secrets/hookline/ca.crt -q 1 -l -u {self.id}".split(),
            *["-P", key or self.key, "-t", f"things/{self.id}/messages"],
            check=False,
            stdin="".join(f"{payload}\n" for payload in payloads),
        )


def try_out(options, times):
    network_names = ["postgres", "mosquitto", "hookline", "hookline-2", "hookline-3", "setup"]
    network = Network([*network_names, "machine"])
    # As an operator sets it whose receivers are in the local network.
    model = compose_model({"DELIVERY_ALLOWED_NETWORKS": f"{network.host}/32"})
    shutil.rmtree(options.folder / "volumes", ignore_errors=True)
    images = {**load_images(options), "postgres": postgres_image(options.folder)}
    names = {"hookline": "hookline", "hookline-broker": "broker"}
    services = {}
    for name in network_names:
        image = images[names.get(model[name]["image"], "postgres")]
        services[name] = Service(name, model[name], image, options.folder, network)

    say("Up, in the order of depends_on")
    hookline, broker = services["hookline"], services["mosquitto"]
    with times.of("compose: from nothing but the images until it is healthy"):
        services["setup"].start()
        if services["setup"].wait() != 0:
            fail(services["setup"].log.read_text())
        for name in ("postgres", "mosquitto"):
            services[name].start()
        for name in ("postgres", "mosquitto"):
            services[name].wait_until_healthy()
        hookline.start()
        hookline.wait_until_healthy()
    receiver = Receiver(network.host)
    try:
        use(services, hookline, broker, receiver, times)
    finally:
        for service in services.values():
            service.kill()
    try_machine(REPOSITORY, options.folder, network, times)
    try_package(options.folder, network, receiver, times)


def use(services, hookline, broker, receiver, times):
    say("A token, a webhook, a thing")
    with times.of("compose: a token, a group, a thing, a webhook, and the first delivery"):
        token = hookline.run("hookline", *["token", "--user", "me", "--root", "--expires", "24h"]).stdout.strip()
        api = Client(f"http://{hookline.address}:9021", token)
        group = api.call("POST", "/groups", [{"name": "Plant"}])[0]["id"]
        config = {"webhook": True, "write": True}
        profile = api.call("POST", f"/groups/{group}/profiles", [{"name": "On", "config": config}])[0]["id"]
        created = api.call("POST", f"/groups/{group}/things", [{"name": "Boiler", "profile_id": profile}])[0]
        api.call("POST", f"/things/{created['id']}/webhooks", [{"name": "hook", "url": receiver.url}])
        thing = Thing(broker, created["id"], created["key"])
        # Its account is there within moments.
        until("the thing's account at the broker", lambda: thing.publish(["first"]).returncode == 0)
        until("the first message", lambda: "first" in receiver.bodies)
    if thing.publish(["stolen"], key="a wrong key").returncode == 0:
        fail("the broker took a wrong key")
    say("  published over TLS with its key, forwarded; a wrong key is refused")
    if b"<title>" not in api.call("GET", "/console/"):
        fail("no console")
    status = pathlib.Path(f"/proc/{hookline.pid}/status").read_text()
    facts = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines()}
    if facts["Uid"][0] != "10001" or facts["CapBnd"] != ["0" * 16] or facts["NoNewPrivs"] != ["1"]:
        fail(f"hookline has more rights than it should: {facts['Uid']} {facts['CapBnd']} {facts['NoNewPrivs']}")
    if hookline.run("touch", "/here", check=False).returncode == 0:
        fail("its root can be written")
    say("  not root, no capabilities, nothing to write")

    def expect(prefix, count):
        wanted = {f"{prefix}{number}" for number in range(count)}
        until(f"all {count} of {prefix}", lambda: wanted <= set(receiver.bodies), 120)
        delivered = [body for body in receiver.bodies if body in wanted]
        twice = len(delivered) - len(set(delivered))
        say(
            f"  {prefix}: {count} sent, {len(set(delivered))} delivered, {twice} twice, {count - len(set(delivered))} lost"
        )

    def send(prefix, count):
        done = thing.publish(f"{prefix}{number}" for number in range(count))
        if done.returncode != 0:
            fail(f"publishing: {done.stderr}")

    say("Restarts")
    send("plain-", 500)
    expect("plain-", 500)
    if hookline.end() != 0:
        fail("hookline did not end well")
    send("while-away-", 500)
    hookline.start()
    hookline.wait_until_healthy()
    expect("while-away-", 500)
    hookline.end(signal.SIGKILL)
    send("after-kill-", 500)
    # The broker writes what waits to its disk when it ends.
    if broker.end() != 0:
        fail("mosquitto did not end well")
    broker.start()
    broker.wait_until_healthy()
    hookline.start()
    hookline.wait_until_healthy()
    expect("after-kill-", 500)

    say("Three instances (--profile scaled)")
    for name in ("hookline-2", "hookline-3"):
        services[name].start()
    for name in ("hookline-2", "hookline-3"):
        services[name].wait_until_healthy()
    send("scaled-", 3_000)
    expect("scaled-", 3_000)
    for name in ("hookline", "hookline-2", "hookline-3"):
        text = Client(f"http://{services[name].address}:9021", token).call("GET", "/metrics").decode()
        line = next(line for line in text.splitlines() if line.startswith("hookline_messages_accepted_total"))
        say(f"  {name}: {line}")
        if line.endswith(" 0"):
            fail(f"{name} took no part")

    say("A crash")
    # A signal from elsewhere does what a fault does, but for the end: there is nothing to go wrong again.
    crash = "hookline top --interval 60s > /dev/shm/told 2>&1 & sleep 2; kill -SEGV $!; "
    crash += "for n in $(seq 90); do sleep 1; grep -q 'Backtrace took' /dev/shm/told && break; done; kill -KILL $!"
    hookline.run("sh", "-c", crash, check=False)
    told = hookline.run("cat", "/dev/shm/told").stdout
    frames = [line.strip() for line in told.splitlines() if line.strip().endswith("in hookline") or ".swift:" in line]
    if not frames or "rax" in told:
        fail(f"a crash does not tell where it was, or more than that:\n{told[-2000:]}")
    say(f"  told with {len(frames)} named places, such as: {frames[0]}")

    say("Down")
    for name in ("hookline-3", "hookline-2", "hookline", "mosquitto", "postgres"):
        # PostgreSQL's fast shutdown, as its image asks for (STOPSIGNAL SIGINT).
        if services[name].end(signal.SIGINT if name == "postgres" else signal.SIGTERM) != 0:
            fail(f"{name} did not end well")


def main():
    options = arguments()
    if os.getuid() != 0:
        fail("this needs root: it makes roots and namespaces")
    if options.binary and not options.binary.is_file():
        fail(f"{options.binary} is not there: make release")
    times = Times(options.folder / "times.json")
    if options.inside:
        try_out(options, times)
        say("All of it works. What it took:")
        times.table({"package: from a bare Debian to the first delivery": "package: "})
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    times.file.unlink(missing_ok=True)
    if not (options.keep_images and (options.folder / "images.json").exists()):
        build_images(options)
    postgres_root(options.folder)
    machine_root(REPOSITORY, options.folder)
    package_root(REPOSITORY, options.folder, options.folder / "images/hookline/usr/local/bin/hookline", times)
    # A network of its own, so that no port is taken and nothing leaves.
    command = ["unshare", "--net", "--mount", "--", sys.executable, __file__, "--inside", "--folder", options.folder]
    raise SystemExit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
