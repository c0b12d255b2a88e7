"""The lines of docs/operations.md, "One machine, from nothing", typed on a bare Debian. systemd does not run there: what it would
do of the unit is done by a stand-in that reads it."""

import re
import shutil

from roots import Image, copy, debian, say
from services import Service, caller, fail, until

# Daemons go on when the line that started them is over.
SYSTEMCTL = r"""#!/bin/bash
set -euo pipefail
case "$*" in
daemon-reload) ;;
"restart mosquitto")
    setsid runuser -u mosquitto -- mosquitto -c /etc/mosquitto/mosquitto.conf > /var/log/mosquitto.log 2>&1 < /dev/null &
    sleep 2 ;;
"enable --now hookline")
    unit=/etc/systemd/system/hookline.service
    credentials=/run/credentials/hookline.service
    mkdir -p "$credentials"
    while IFS=: read -r name file; do cp "$file" "$credentials/$name"; done < <(sed -n 's/^LoadCredential=//p' "$unit")
    chown -R 61234 "$credentials"
    chmod -R go= "$credentials"
    variables=()
    while read -r line; do variables+=("$line"); done < <(grep -v '^#' "$(sed -n 's/^EnvironmentFile=//p' "$unit")")
    for pair in $(sed -n 's/^Environment=//p' "$unit"); do variables+=("${pair//%d/$credentials}"); done
    as=(setpriv --reuid=61234 --regid=61234 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs
        env -i PATH=/usr/bin:/bin "${variables[@]}")
    "${as[@]}" $(sed -n 's/^ExecStart=\(.*\) serve$/\1 check-config/p' "$unit") > /var/log/hookline.check
    setsid "${as[@]}" $(sed -n 's/^ExecStart=//p' "$unit") > /var/log/hookline.log 2>&1 < /dev/null &
    echo $! > /run/hookline.pid
    ;;
"--quiet is-failed hookline") [ ! -e "/proc/$(cat /run/hookline.pid)/exe" ] ;;
*) echo "systemctl $* is not known here" >&2; exit 1 ;;
esac
"""


def lines_of(page):
    block = page.read_text().split("### One machine, from nothing")[1].split("```sh\n")[1].split("```")[0]
    install = re.search(r"apt-get install --yes (.+)\n", block)
    return install[1].split(), block.replace(install[0], "")


def machine_root(repository, work):
    """Its packages need the network to come here."""
    packages, _ = lines_of(repository / "docs/operations.md")
    return debian(work / "debian-for-machine", packages)


def try_machine(repository, work, network, times):
    say("One machine, as docs/operations.md says it")
    _, lines = lines_of(repository / "docs/operations.md")
    image = Image(copy(machine_root(repository, work), work / "images" / "machine"))
    image.command = ["sleep", "infinity"]
    clone = image.root / "root/hookline"
    shutil.copytree(work / "context", clone, symlinks=True)
    for path in ("docs", "deploy"):
        shutil.copytree(repository / path, clone / path, dirs_exist_ok=True)
    (clone / ".build/release").mkdir(parents=True)
    shutil.copy2(work / "images/hookline/usr/local/bin/hookline", clone / ".build/release/hookline")
    stand_in = image.root / "usr/local/bin/systemctl"
    stand_in.write_text(SYSTEMCTL)
    stand_in.chmod(0o755)
    machine = Service("machine", {}, image, work, network)
    machine.start()
    try:
        # Debian starts it when it is installed.
        machine.run("bash", "-c", "pg_ctlcluster $(pg_lsclusters -h | cut -d' ' -f1,2) start")
        use_machine(machine, lines, times)
    finally:
        machine.kill()


def use_machine(machine, lines, times):
    with times.of("machine: the lines of docs/operations.md, until it is ready"):
        typed = machine.run("bash", "-euc", f"cd /root/hookline\n{lines}")
    token = typed.stdout.split()[-1]
    say("  every line did its work; hookline is ready")

    call = caller(machine, token)
    group = call("POST", "/groups", [{"name": "Plant"}])[0]["id"]
    profile = call("POST", f"/groups/{group}/profiles", [{"name": "On", "config": {"write": True}}])[0]["id"]
    thing = call("POST", f"/groups/{group}/things", [{"name": "Boiler", "profile_id": profile}])[0]
    publish = [
        "mosquitto_pub",
        "-h",
        "localhost",
        "-p",
        "8883",
        "--cafile",
        "/etc/hookline/broker_ca.crt",
        "-q",
        "1",
        "-m",
        "warm",
    ]
    publish += ["-u", thing["id"], "-P", thing["key"], "-t", f"things/{thing['id']}/messages"]
    until("the thing's account", lambda: machine.run(*publish, check=False).returncode == 0)
    until("the message", lambda: call("GET", f"/things/{thing['id']}/messages")["total"] > 0)
    say("  a thing published over TLS with its key, and the message was kept")
    checked = machine.run("cat", "/var/log/hookline.check").stdout
    for line in checked.splitlines():
        if re.search(r"PASSWORD|SECRET|POSTGRES_URL", line) and "default" not in line and "(set, hidden)" not in line:
            fail(f"check-config showed {line}")
