"""Folders that hold what an image would: a Debian of its own, and what the Dockerfile does to it."""

import fnmatch
import os
import pathlib
import re
import shlex
import shutil
import subprocess

# What the official images have besides a plain Debian.
SWIFT_PACKAGES = [
    "binutils-gold",
    "ca-certificates",
    "gcc",
    "git",
    "libc6-dev",
    "libcurl4-openssl-dev",
    "libedit2",
    "libgcc-12-dev",
    "libncurses-dev",
    "libsqlite3-0",
    "libstdc++-12-dev",
    "libxml2-dev",
    "libz3-dev",
    "pkg-config",
    "tzdata",
    "zlib1g-dev",
]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def say(text):
    print(text, flush=True)


def debian(folder, packages=()):
    """A Debian with nothing but what debootstrap and these packages bring."""
    if (folder / "complete").exists():
        return folder / "root"
    root = folder / "root"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"  debootstrap {folder.name}")
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", root, mirror],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # Nothing starts because it is installed.
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    if packages:
        run_in(root, f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {' '.join(packages)}")
    (folder / "complete").touch()
    return root


def copy(root, to):
    shutil.rmtree(to, ignore_errors=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", root, to], check=True)
    return to


def run_in(root, command, environment=None, folder="/", mounts=()):
    """Runs a shell command in a root, with the network of this machine: what RUN does."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    lines = ["mount --make-rprivate /"]
    for source, target in [("/proc", "/proc"), ("/dev", "/dev"), *mounts]:
        inside = root / target.lstrip("/")
        if os.path.isdir(source):
            inside.mkdir(parents=True, exist_ok=True)
        else:
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.touch()
        lines.append(f"mount --rbind {shlex.quote(source)} {shlex.quote(str(inside))}")
    variables = {"PATH": PATH, "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", **(environment or {})}
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    inner = f"cd {shlex.quote(folder)} && {command}"
    lines.append(f"exec chroot {shlex.quote(str(root))} /usr/bin/env -i {settings} /bin/sh -c {shlex.quote(inner)}")
    done = subprocess.run(
        ["unshare", "--mount", "--", "sh", "-ec", "\n".join(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command}\nended with {done.returncode}:\n{done.stdout[-4000:]}")


class Image:
    """A root, and how it is started."""

    def __init__(self, root):
        self.root = root
        self.environment = {}
        self.user = "root"
        self.entrypoint = []
        self.command = []
        self.folder = "/"
        self.healthcheck = []


def instructions(dockerfile):
    text = re.sub(r"(?m)^\s*#.*\n", "", dockerfile.read_text())
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            keyword, rest = line.strip().split(None, 1)
            yield keyword.upper(), re.sub(r"\s+", " ", rest)


def build(dockerfile, context, work, toolchain, mounts, made=None):
    """Carries the Dockerfile out; the images by the names of their stages. What is made already stands in the place of the
    stage `build`: files by the paths that they are copied from there."""
    images, image, stage = {}, None, ""
    for keyword, rest in instructions(dockerfile):
        if keyword == "FROM":
            base, stage = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
        if stage == "build" and made:
            if keyword == "FROM":
                say(f"  {stage:9}not carried out: {', '.join(map(str, made.values()))}")
                images[stage] = Image(with_files(made, work / "images" / stage))
            continue
        say(f"  {stage:9}{keyword} {rest[:110]}")
        if keyword == "FROM":
            image = images[stage] = Image(from_base(base, work, stage, toolchain))
        elif keyword == "RUN":
            extra = mounts if stage == "build" else ()
            run_in(image.root, rest, image.environment, image.folder, extra)
        elif keyword == "WORKDIR":
            image.folder = rest
            (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif keyword == "COPY":
            copy_in(image, rest, images, context)
        elif keyword == "ENV":
            image.environment.update(pair.split("=", 1) for pair in shlex.split(rest))
        elif keyword == "USER":
            image.user = rest
        elif keyword in ("ENTRYPOINT", "CMD"):
            setattr(image, "entrypoint" if keyword == "ENTRYPOINT" else "command", words(rest))
        elif keyword == "HEALTHCHECK":
            image.healthcheck = words(rest[rest.index("CMD") + 3 :].strip())
        elif keyword not in ("EXPOSE", "STOPSIGNAL"):
            raise SystemExit(f"{keyword} is not known here")
    return images


def words(text):
    return [word.strip().strip('"') for word in text.strip("[]").split(",")]


def from_base(base, work, stage, toolchain):
    if base.startswith("debian:bookworm"):
        return copy(debian(work / "debian"), work / "images" / stage)
    if base.startswith("swift:") and base.endswith("-bookworm"):
        root = copy(debian(work / "debian-for-swift", SWIFT_PACKAGES), work / "images" / stage)
        # The toolchain lies in /usr there.
        subprocess.run(["cp", "-a", "--reflink=auto", f"{toolchain}/usr/.", root / "usr"], check=True)
        return root
    raise SystemExit(f"{base} is not known here")


def with_files(files, root):
    """A root with nothing in it but these files."""
    shutil.rmtree(root, ignore_errors=True)
    for path, file in files.items():
        inside = root / path.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, inside)
    return root


def copy_in(image, rest, images, context):
    options, paths = [], []
    for word in rest.split():
        (options if word.startswith("--") else paths).append(word)
    options = dict(option[2:].split("=", 1) for option in options)
    *sources, target = paths
    folder = images[options["from"]].root if "from" in options else context
    inside = image.root / str(pathlib.PurePosixPath(image.folder, target)).lstrip("/")
    for source in sources:
        found = folder / source.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, inside, dirs_exist_ok=True, symlinks=True)
            continue
        to = inside / found.name if target.endswith("/") else inside
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found, to)
        if "chmod" in options:
            to.chmod(int(options["chmod"], 8))


def clean_context(repository, to):
    """What a clean clone would send: the files that git knows, but for those that .dockerignore names."""
    ignored = [line.strip() for line in (repository / ".dockerignore").read_text().splitlines() if line.strip()]
    listed = subprocess.run(["git", "-C", repository, "ls-files", "-z"], check=True, capture_output=True, text=True)
    shutil.rmtree(to, ignore_errors=True)
    for name in filter(None, listed.stdout.split("\0")):
        if any(fnmatch.fnmatch(name, pattern) or name.startswith(f"{pattern}/") for pattern in ignored):
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository / name, to / name, follow_symlinks=False)
    return to
