"""The Debian package on a bare Debian: installed by apt, told what its README.Debian says, used up to a delivery, upgraded, removed,
installed again and purged. systemd does not run there: what it would do of the unit is done by a stand-in that reads it."""

import os
import pathlib
import shutil
import subprocess

from roots import Image, copy, debian, run_in, say
from services import Service, caller, fail, until

# Daemons go on when the line that started them is over.
SYSTEMCTL = r"""#!/bin/bash
set -euo pipefail
case "$*" in
"restart mosquitto")
    install -d -o mosquitto /run/mosquitto
    setsid runuser -u mosquitto -- mosquitto -c /etc/mosquitto/mosquitto.conf > /var/log/mosquitto.log 2>&1 < /dev/null &
    sleep 2 ;;
"enable --now hookline")
    unit=/lib/systemd/system/hookline.service
    variables=()
    while read -r line; do variables+=("$line"); done < <(grep -v '^#' "$(sed -n 's/^EnvironmentFile=//p' "$unit")")
    as=(setpriv --reuid="$(sed -n 's/^User=//p' "$unit")" --regid="$(sed -n 's/^Group=//p' "$unit")" --clear-groups
        --bounding-set=-all --inh-caps=-all --no-new-privs env -i PATH=/usr/bin:/bin "${variables[@]}")
    setsid "${as[@]}" $(sed -n 's/^ExecStart=//p' "$unit") > /var/log/hookline.log 2>&1 < /dev/null &
    echo $! > /run/hookline.pid
    ;;
"--quiet is-failed hookline") [ ! -e "/proc/$(cat /run/hookline.pid)/exe" ] ;;
*) echo "systemctl $* is not known here" >&2; exit 1 ;;
esac
"""
SECRETS = "/etc/hookline/secrets"


def pack(repository, binary, revision):
    done = subprocess.run(
        [repository / "scripts/package", "deb", binary],
        env={**os.environ, "REVISION": str(revision)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        fail(f"scripts/package: {done.stdout}{done.stderr}")
    return done.stdout.splitlines()[-1]


def package_root(repository, work, binary, times):
    """A bare Debian with what the README's first line installs, which needs the network to come here: the package, what it
    depends on, and what else the line names. A second package lies there for the upgrade."""
    say("The Debian package, on a bare Debian")
    packages = [pathlib.Path(pack(repository, binary, revision)) for revision in (1, 2)]
    root = copy(debian(work / "debian"), work / "images" / "package")
    for number, file in enumerate(packages, 1):
        shutil.copy(file, root / f"root/hookline_{number}_amd64.deb")
    line = next(
        line for line in (repository / "README.md").read_text().splitlines() if line.startswith("apt-get install")
    )
    with times.of("package: apt-get update, and the README's apt-get install"):
        run_in(root, f"apt-get update -qq && {line.replace('hookline_*', 'hookline_1')}", folder="/root")


def lines_of(page):
    """What README.Debian says to type, but for what is in the root already."""
    block = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    return "\n".join(line for line in block if not line.startswith("apt-get"))


def try_package(work, network, receiver, times):
    say("The Debian package, as it was installed")
    image = Image(work / "images" / "package")
    image.command = ["sleep", "infinity"]
    stand_in = image.root / "usr/local/bin/systemctl"
    stand_in.write_text(SYSTEMCTL)
    stand_in.chmod(0o755)
    machine = Service("machine", {}, image, work, network)
    machine.start()
    try:
        use_package(machine, receiver, f"{network.host}/32", times)
    finally:
        machine.kill()


def use_package(machine, receiver, allowed, times):
    second = "/root/hookline_2_amd64.deb"

    def typed(line, check=True):
        return machine.run("bash", "-euc", line, check=check).stdout

    def keys():
        return typed(f"cd {SECRETS} && stat -c '%n %U:%G %a' . * && sha256sum *")

    def install(package):
        # Where systemd runs it stops and starts nothing here: policy-rc.d says so.
        typed(f"DEBIAN_FRONTEND=noninteractive dpkg --install {package}")

    made = keys()
    wanted = [". root:hookline 750", "jwt_secret root:hookline 640", "secrets_key root:hookline 640"]
    if made.splitlines()[:3] != wanted:
        fail(f"the keys are not as they should be:\n{made}")
    for name in ("secrets_key", "jwt_secret"):
        if machine.run("runuser", "-u", "nobody", "--", "cat", f"{SECRETS}/{name}", check=False).returncode == 0:
            fail(f"anybody can read {name}")
    say("  installed, with keys that root and the service alone can read")

    typed(f"sed -i 's,^DELIVERY_ALLOWED_NETWORKS=.*,DELIVERY_ALLOWED_NETWORKS={allowed},' /etc/hookline/hookline.env")
    typed("pg_ctlcluster $(pg_lsclusters -h | cut -d' ' -f1,2) start")
    with times.of("package: the lines of README.Debian, until it is ready"):
        token = typed(lines_of(typed("cat /usr/share/doc/hookline/README.Debian"))).split()[-1]
    say("  every line of README.Debian did its work; hookline is ready")
    encoding = typed(
        "runuser -u postgres -- psql -d hookline --no-align --tuples-only -c 'SHOW server_encoding'"
    ).strip()
    if encoding != "UTF8":
        fail(f"the database's encoding is {encoding}")
    with times.of("package: a group, a thing, a webhook, and the first delivery"):
        deliver(machine, token, receiver, "before the upgrade")

    install(second)
    if keys() != made:
        fail("an upgrade changed the keys")
    if allowed not in typed("cat /etc/hookline/hookline.env"):
        fail("an upgrade changed the settings")
    stop(typed)
    typed(
        "systemctl enable --now hookline; until hookline health || systemctl --quiet is-failed hookline; do sleep 1; done"
    )
    deliver(machine, token, receiver, "after the upgrade")
    say("  upgraded: keys and settings are as they were, and what they opened still opens")

    stop(typed)
    typed("dpkg --remove hookline")
    if keys() != made or machine.run("test", "-e", "/usr/bin/hookline", check=False).returncode == 0:
        fail("removing it left the program, or took the keys")
    install(second)
    if keys() != made:
        fail("installing it again changed the keys")
    typed("dpkg --purge hookline")
    # What README.Debian says to write into mosquitto's folder is the broker's.
    elsewhere = ("/run", "/root", "/var/log", "/etc/mosquitto")
    left = typed("find / -xdev -path '*hookline*' " + " ".join(f"-not -path '{folder}/*'" for folder in elsewhere))
    if left:
        fail(f"purging left {left}")
    say("  removed, with its keys kept; purged, with nothing left")


def stop(typed):
    # Nobody there waits for what has ended, so its number stays.
    typed(
        "kill $(cat /run/hookline.pid); while readlink /proc/$(cat /run/hookline.pid)/exe > /dev/null; do sleep 0.2; done"
    )


def deliver(machine, token, receiver, payload):
    call = caller(machine, token)
    group = call("POST", "/groups", [{"name": payload}])[0]["id"]
    config = {"webhook": True}
    profile = call("POST", f"/groups/{group}/profiles", [{"name": "On", "config": config}])[0]["id"]
    thing = call("POST", f"/groups/{group}/things", [{"name": "Boiler", "profile_id": profile}])[0]["id"]
    call("POST", f"/groups/{group}/webhooks", [{"name": "Hook", "url": receiver.url}])
    # A thing's own program, which is on no bare Debian.
    publish = ["nsenter", "--target", str(machine.pid), "--net", "mosquitto_pub", "-h", "127.0.0.1", "-q", "1"]
    subprocess.run([*publish, "-t", f"things/{thing}/messages", "-m", payload], check=True)
    until("the delivery", lambda: payload in receiver.bodies)
