"""Whose code is in a hookline, and under which licence: the Swift packages that a build fetched, the code of others that these bring
as sources of their own, and the Debian packages of the libraries that it loads."""

import dataclasses
import json
import pathlib
import re
import subprocess
from collections.abc import Iterable

UNKNOWN = "NOASSERTION"
# What may be linked into a program that is handed out under Apache-2.0. https://www.apache.org/legal/resolved.html, category A.
LINKED = {
    "Apache-2.0",
    "Apache-2.0 WITH Swift-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Brian-Gladman-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "PostgreSQL",
    "Unicode-3.0",
    "Zlib",
    "curl",
}
# What may be loaded besides, because it stays a library of its own that anybody can replace.
LOADED = LINKED | {"EPL-2.0", "LGPL-2.1-or-later", "GPL-3.0-or-later WITH GCC-exception-3.1"}
C_SOURCES = (".c", ".cc", ".cpp", ".S")
DEBIAN_DOCUMENTS = pathlib.Path("/usr/share/doc")
# What Debian calls licences that SPDX calls otherwise.
DEBIAN_NAMES = {
    "EDL-1.0": "BSD-3-Clause",
    "Expat": "MIT",
    "BSD-3-clause": "BSD-3-Clause",
    "BSD-2-clause": "BSD-2-Clause",
}
# Those whose copyright is no DEP-5, and what it has to say for the licence to be this.
DEBIAN_TEXTS = {
    "libc6": ("GNU Lesser General Public\nLicense", "LGPL-2.1-or-later"),
    "libgcc-s1": ("GCC Runtime Library Exception", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libstdc++6": ("GCC Runtime Library Exception", "GPL-3.0-or-later WITH GCC-exception-3.1"),
}


@dataclasses.dataclass
class Part:
    """Somebody's code that is in another's: found by the name of the target that has it as sources."""

    name: str
    version: str
    license: str
    location: str
    purl: str | None = None


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Of what has to be kept together each, of what may be chosen any."""
    text = expression.replace("(", "").replace(")", "")
    return all(any(choice.strip() in allowed for choice in need.split(" OR ")) for need in text.split(" AND "))


def license_in(text: str) -> str:
    """By how it begins: a text that only speaks of a licence is none."""
    start = " ".join(text.split())[:400]
    if start.startswith("Apache License"):
        has_exception = "Runtime Library Exception to the Apache 2.0 License" in text
        return "Apache-2.0 WITH Swift-exception" if has_exception else "Apache-2.0"
    if re.match(r"(The )?MIT License|This software is licensed under the MIT License", start):
        return "MIT"
    return UNKNOWN


def license_of(folder: pathlib.Path) -> str:
    return next((license_in(path.read_text()) for path in sorted(folder.glob("LICENSE*"))), UNKNOWN)


def fetched_packages(state: pathlib.Path) -> dict[str, dict]:
    """The packages that a build fetched (its workspace-state.json), each with the names of its modules."""
    fetched = {}
    for entry in json.loads(state.read_text())["object"]["dependencies"]:
        checkout = entry["state"]["checkoutState"]
        folder = state.parent / "checkouts" / entry["subpath"]
        manifests = "".join(path.read_text() for path in folder.glob("Package*.swift"))
        modules = set(re.findall(r'\.(?:target|macro|systemLibrary)\(\s*name:\s*"(\w+)"', manifests))
        modules |= {path.name for path in (folder / "Sources").iterdir() if path.is_dir()}
        fetched[entry["packageRef"]["identity"]] = {
            "folder": folder,
            "location": entry["packageRef"]["location"].removesuffix(".git"),
            "revision": checkout["revision"],
            "version": checkout.get("version") or checkout["revision"],
            "license": license_of(folder),
            "modules": modules,
        }
    return fetched


# Parts


def found(pattern: str, path: pathlib.Path) -> str:
    match = re.search(pattern, path.read_text()) if path.exists() else None
    return match[1] if match else ""


def sources(folder: pathlib.Path) -> Iterable[str]:
    return (path.read_text(errors="replace") for path in sorted(folder.rglob("*")) if path.suffix in C_SOURCES)


def libyaml(target: pathlib.Path) -> Part:
    """Its version is taken out of it; Yams says in its changelog, the newest first, up to which commit it was brought."""
    package = target.parents[1]
    revision = found(r"yaml/libyaml/compare/\w+\.\.\.(\w+)", package / "CHANGELOG.md")
    is_mit = found(r"(Both Yams and libYAML are MIT licensed)", package / "README.md")
    where = f"git+https://github.com/yaml/libyaml@{revision}"
    return Part("libyaml", revision, "MIT" if is_mit else UNKNOWN, where, f"pkg:github/yaml/libyaml@{revision}")


def boringssl(target: pathlib.Path) -> Part:
    """Apache-2.0 since 2024, each file for itself; what names a copyright and another licence is not known here. Of the three that
    third_party/fiat leaves to choose one is that."""
    revision = found(r"at revision (\w+)", target / "hash.txt")
    named = [text for text in sources(target) if "Copyright" in text]
    is_apache = named and all("Licensed under the Apache License" in text for text in named)
    home = "https://boringssl.googlesource.com/boringssl"
    return Part("boringssl", revision, "Apache-2.0" if is_apache else UNKNOWN, f"git+{home}@{revision}")


def llhttp(target: pathlib.Path) -> Part:
    header = target / "include/c_nio_llhttp.h"
    version = ".".join(found(rf"LLHTTP_VERSION_{part} (\d+)", header) for part in ("MAJOR", "MINOR", "PATCH"))
    home = "nodejs/llhttp"
    return Part(
        "llhttp",
        version,
        license_of(target),
        f"git+https://github.com/{home}@v{version}",
        f"pkg:github/{home}@v{version}",
    )


def xkcp(target: pathlib.Path) -> Part:
    revision = found(r"-g(\w+)\)", target / "vendored-sources.txt")
    is_free = all("creativecommons.org/publicdomain/zero/1.0" in text for text in sources(target))
    # Its brg_endian.h, by Brian Gladman, asks for its notice to be kept.
    has_notice = "source code distributions include the above copyright notice" in "".join(
        path.read_text() for path in target.rglob("brg_endian.h")
    )
    license = "CC0-1.0 AND Brian-Gladman-3-Clause" if has_notice else "CC0-1.0"
    home = "XKCP/XKCP"
    location = f"git+https://github.com/{home}@{revision}"
    return Part("xkcp", revision, license if is_free else UNKNOWN, location, f"pkg:github/{home}@{revision}")


def sha1(target: pathlib.Path) -> Part:
    text = "".join(sources(target))
    license = re.search(r"SPDX-License-Identifier: (\S+)", text)
    version = re.search(r"KAME: sha1\.c,v ([\d.]+)", text)
    return Part("kame-sha1", version[1] if version else "", license[1] if license else UNKNOWN, UNKNOWN)


def zlib(target: pathlib.Path) -> Part:
    header = target / "include/nioextras-zlib.h"
    version = found(r'#define \w*ZLIB_VERSION "([^"]+)"', header)
    is_free = found(r"(provided 'as-is', without any express or implied)", header)
    return Part("zlib", version, "Zlib" if is_free else UNKNOWN, "git+https://github.com/madler/zlib")


PARTS = {
    "CYaml": libyaml,
    "CNIOBoringSSL": boringssl,
    "CCryptoBoringSSL": boringssl,
    "CNIOExtrasZlib": zlib,
    "CNIOLLHTTP": llhttp,
    "CXKCP": xkcp,
    "CNIOSHA1": sha1,
}


def parts_of(package: dict) -> dict[str, Part]:
    """Of others' in a package, by target."""
    targets = {path.name: path for path in (package["folder"] / "Sources").iterdir() if path.is_dir()}
    return {name: PARTS[name](path) for name, path in sorted(targets.items()) if name in PARTS}


def of_nobody(package: dict) -> list[str]:
    """Its targets in C that say neither that they are its own nor, here, whose they are."""
    own = re.compile(r"project authors|Licensed under (the )?Apache License|SPDX-License-Identifier: Apache-2\.0")
    named = []
    for target in sorted((package["folder"] / "Sources").iterdir()):
        if not target.is_dir() or target.name in PARTS:
            continue
        # What is empty, but for what it includes, is nobody's.
        if any(len(text.split()) > 10 and not own.search(text) for text in sources(target)):
            named.append(target.name)
    return named


def icu(binary: pathlib.Path) -> Part | None:
    """What Swift's Foundation brings of Unicode's, if it is linked in; its data say the version."""
    version = re.search(rb"icudt(\d+)[lb]", binary.read_bytes())
    if version is None:
        return None
    number = int(version[1])
    # ICU was under another licence before 74.
    return Part(
        "icu", str(number), "Unicode-3.0" if number >= 74 else UNKNOWN, "git+https://github.com/unicode-org/icu"
    )


# Debian


def debian_license(name: str) -> str:
    """Of what the package is for, which is what its stanza for all files says (DEP-5): the others are about single files."""
    path = DEBIAN_DOCUMENTS / name / "copyright"
    text = path.read_text(errors="replace") if path.exists() else ""
    if name in DEBIAN_TEXTS:
        phrase, license = DEBIAN_TEXTS[name]
        return license if " ".join(phrase.split()) in " ".join(text.split()) else UNKNOWN
    if not re.match(r"Format: https?://www\.debian\.org/doc/packaging-manuals/copyright-format/", text):
        return UNKNOWN
    stanza = re.search(r"(?ms)^Files: \*$(.*?)(?:^$|\Z)", text)
    license = re.search(r"(?m)^License: (.+)$", stanza[1]) if stanza else None
    if not license:
        return UNKNOWN
    words = re.split(r" (and|or) ", license[1].strip())
    return " ".join(word.upper() if word in ("and", "or") else DEBIAN_NAMES.get(word, word) for word in words)


def debian_packages(binary: pathlib.Path) -> list[str]:
    """Of what it loads, but for Swift's own in a debug build."""

    def told(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    names = set()
    for library in re.findall(r"\(NEEDED\).*\[(.+)\]", told("readelf", "-d", str(binary))):
        if library.startswith(("libswift", "libFoundation", "libdispatch", "libBlocksRuntime", "lib_Foundation")):
            continue
        names.add(told("dpkg-query", "--search", f"*/{library}").splitlines()[0].split(":")[0])
    return sorted(names)
