import unittest

from loading import load

module = load("check-releases")

CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-11-28\n\n- b\n\n## 0.1.0 - 2026-11-21\n\n- a\n"
UPGRADING = "# Upgrading\n\n## 0.2.0\n\nMigrations 2 to 4.\n\n## 0.1.0\n\nMigrations 1.\n"


class Changelog(unittest.TestCase):
    def test_what_fits(self):
        self.assertEqual(module.wrong_changelog("0.2.0", CHANGELOG), [])

    def test_what_does_not(self):
        for version, before, after, word in [
            ("0.3.0", "", "", "the sources say 0.3.0"),
            ("0.2.0", "## Unreleased\n\n", "", "does not begin with Unreleased"),
            ("0.2.0", " - 2026-11-21", "", "'0.1.0' is no version with its day"),
            ("0.2.0", "0.1.0 - ", "0.10.0 - ", "not in the order"),
            ("0.2.0", "0.1.0 - ", "0.2.0 - ", "not in the order"),
        ]:
            found = module.wrong_changelog(version, CHANGELOG.replace(before, after) if before else CHANGELOG)
            self.assertIn(word, "\n".join(found), f"{before} -> {after}")


class Upgrading(unittest.TestCase):
    def check(self, word: str, migrations: int = 4, upgrading: str = UPGRADING, changelog: str = CHANGELOG) -> None:
        found = module.wrong_upgrading(changelog, upgrading, list(range(1, migrations + 1)))
        self.assertEqual(len(found), 1 if word else 0, found)
        self.assertIn(word, "".join(found))

    def test_what_fits(self):
        self.check("")
        self.check("", upgrading=UPGRADING.replace("# Upgrading\n", "# Upgrading\n\n## In general\n\nMigrations 9.\n"))

    def test_a_migration_stands_in_one_section(self):
        self.check("names migrations [5] in no version's section", migrations=5)
        self.check(
            "", migrations=5, upgrading=UPGRADING.replace("## 0.2.0", "## Unreleased\n\nMigrations 5.\n\n## 0.2.0")
        )
        self.check("not in their order", upgrading=UPGRADING.replace("2 to 4", "1 to 4"))
        self.check("other migrations than there are", migrations=3)

    def test_each_version_has_a_section(self):
        self.check("has sections of 0.2.0, CHANGELOG.md of", upgrading=UPGRADING.split("## 0.1.0")[0])
        self.check("CHANGELOG.md of Unreleased, 0.3.0", changelog=CHANGELOG.replace("0.2.0", "0.3.0"))


if __name__ == "__main__":
    unittest.main()
