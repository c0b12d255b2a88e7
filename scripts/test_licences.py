import pathlib
import tempfile
import unittest
import unittest.mock

import licences
from loading import load

module = load("check-dependencies")

APACHE = "\n                                 Apache License\n                           Version 2.0, January 2004\n"
EXCEPTION = "\n## Runtime Library Exception to the Apache 2.0 License: ##\n"
LGPL = "This library is free software; under the terms of the GNU Lesser General Public\n License"


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Licences(Files):
    def test_what_may_be_in_a_program(self):
        for expression, is_linked, is_loaded in [
            ("Apache-2.0", True, True),
            ("Apache-2.0 WITH Swift-exception", True, True),
            ("CC0-1.0 AND Brian-Gladman-3-Clause", True, True),
            ("GPL-2.0-only OR MIT", True, True),
            ("(GPL-2.0-only OR MIT) AND Zlib", True, True),
            ("MIT AND GPL-2.0-only", False, False),
            ("LGPL-2.1-or-later", False, True),
            ("EPL-2.0 OR BSD-3-Clause", True, True),
            ("GPL-3.0-or-later WITH GCC-exception-3.1", False, True),
            ("GPL-3.0-or-later", False, False),
            ("AGPL-3.0-only", False, False),
            ("NOASSERTION", False, False),
            ("", False, False),
        ]:
            with self.subTest(expression):
                self.assertEqual(licences.is_allowed(expression, licences.LINKED), is_linked)
                self.assertEqual(licences.is_allowed(expression, licences.LOADED), is_loaded)

    def test_texts(self):
        for text, expected in [
            (APACHE, "Apache-2.0"),
            (APACHE + EXCEPTION, "Apache-2.0 WITH Swift-exception"),
            ("The MIT License (MIT)\n\nCopyright", "MIT"),
            ("MIT License\n\nCopyright", "MIT"),
            ("GNU AFFERO GENERAL PUBLIC LICENSE\nBefore it was under the Apache License.", "NOASSERTION"),
            ("All rights reserved. No MIT License.", "NOASSERTION"),
            ("", "NOASSERTION"),
        ]:
            self.assertEqual(licences.license_in(text), expected, text)

    def test_of_debian(self):
        form = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nSource: x\n\n"
        some = "Files: debian/*\nCopyright: a\nLicense: GPL-3+\n\n"
        for name, text, expected in [
            ("a", f"{form}Files: *\nCopyright: b\n c\nLicense: curl\n\n{some}", "curl"),
            ("a", f"{form}{some}Files: *\nCopyright: b\nLicense: EPL-2.0 or EDL-1.0\n", "EPL-2.0 OR BSD-3-Clause"),
            ("a", f"{form}{some}", "NOASSERTION"),
            ("a", "This is a.\n\nFiles: *\nLicense: curl\n", "NOASSERTION"),
            ("libc6", LGPL, "LGPL-2.1-or-later"),
            ("libc6", "GNU General Public License", "NOASSERTION"),
        ]:
            self.write(f"{name}/copyright", text)
            with unittest.mock.patch.object(licences, "DEBIAN_DOCUMENTS", self.root):
                self.assertEqual(licences.debian_license(name), expected, text)
        self.assertEqual(licences.debian_license("no-such-package-here"), "NOASSERTION")


class Parts(Files):
    def package(self) -> dict:
        return {"folder": self.root, "version": "1.0.0", "license": "MIT", "modules": set()}

    def test_versions_are_those_of_the_sources(self):
        self.write(
            "CHANGELOG.md",
            "https://github.com/yaml/libyaml/compare/1...2\nhttps://github.com/yaml/libyaml/compare/0...1",
        )
        self.write("README.md", "Both Yams and libYAML are MIT licensed.")
        self.write("Sources/CYaml/api.c", "")
        self.write("Sources/CNIOBoringSSL/hash.txt", "BoringSSL cloned from … at revision 8eb2")
        file = self.write(
            "Sources/CNIOBoringSSL/a.cc", "// Copyright a\n// Licensed under the Apache License, Version 2.0"
        )
        parts = licences.parts_of(self.package())
        found = {name: (part.name, part.version, part.license) for name, part in parts.items()}
        expected = {"CNIOBoringSSL": ("boringssl", "8eb2", "Apache-2.0"), "CYaml": ("libyaml", "2", "MIT")}
        self.assertEqual(found, expected)
        file.with_name("b.cc").write_text("// Copyright b\n// See the OpenSSL license.")
        self.assertEqual(licences.parts_of(self.package())["CNIOBoringSSL"].license, "NOASSERTION")

    def test_others_code_that_nobody_named_is_found(self):
        self.write(
            "Sources/COwn/a.c",
            "// Copyright Apple Inc. and the SwiftNIO project authors\nint a(void) { return 1; } int b;",
        )
        self.write("Sources/CEmpty/a.c", '#include "a.h"')
        self.assertEqual(licences.of_nobody(self.package()), [])
        self.write(
            "Sources/COther/a.c", "/* Copyright somebody else, see elsewhere */\nint a(void) { return 1; } int b;"
        )
        self.assertEqual(licences.of_nobody(self.package()), ["COther"])

    def test_what_is_wrong_is_told(self):
        self.write(
            "Sources/COther/a.c", "/* Copyright somebody else, see elsewhere */\nint a(void) { return 1; } int b;"
        )
        self.write("Sources/CYaml/api.c", "")
        package = self.package() | {"license": "NOASSERTION"}
        with unittest.mock.patch.object(licences, "DEBIAN_DOCUMENTS", self.root):
            found = module.wrong({"a": package}, ("libpq5",))
        expected = [
            "a 1.0.0: its licence is NOASSERTION",
            "a 1.0.0: libyaml in CYaml: its licence is NOASSERTION",
            "a 1.0.0: libyaml in CYaml: its version is not found",
            "a 1.0.0: nobody said whose the sources of COther are",
            "libpq5 (Debian): its licence is NOASSERTION",
        ]
        self.assertEqual(found, expected)


if __name__ == "__main__":
    unittest.main()
