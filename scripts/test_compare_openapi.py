import copy
import json
import pathlib
import subprocess
import tempfile
import unittest
import unittest.mock

from loading import load

module = load("compare-openapi")

THING = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "name": {"type": "string", "minLength": 1, "maxLength": 10},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "nullable": True},
        "tags": {"type": "array", "items": {"type": "string"}},
        "parent": {"$ref": "#/components/schemas/Thing"},
        "how": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "integer"}}}]},
    },
}
CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
DOCUMENT = {
    "info": {"version": "1.0.0"},
    "security": [{"user": []}, {"key": []}],
    "paths": {
        "/things/{id}": {
            "parameters": [{"$ref": "#/components/parameters/id"}],
            "put": {
                "parameters": [{"name": "dry", "in": "query", "schema": {"type": "boolean"}}],
                "requestBody": {"content": CONTENT},
                "responses": {
                    "200": {"description": "", "content": CONTENT, "headers": {"etag": {}}},
                    "404": {"description": ""},
                },
            },
        }
    },
    "components": {
        "parameters": {"id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "schemas": {"Thing": THING},
    },
}


def changed(change) -> list[str]:
    new = copy.deepcopy(DOCUMENT)
    change(new, new["paths"]["/things/{id}"]["put"], new["components"]["schemas"]["Thing"])
    return module.Comparison(DOCUMENT, new).run()


class Compatible(unittest.TestCase):
    def check(self, change) -> None:
        self.assertEqual(changed(change), [])

    def test_nothing(self):
        self.check(lambda d, o, t: None)

    def test_more_of_everything(self):
        def change(document, operation, thing):
            document["paths"]["/more"] = {"get": {"responses": {}}}
            operation["parameters"].append({"name": "more", "in": "query", "schema": {"type": "string"}})
            operation["responses"]["202"] = {"description": ""}
            operation["responses"]["200"]["headers"]["x-more"] = {}
            thing["properties"]["more"] = {"type": "string"}
            thing["properties"]["kind"]["enum"].append("c")
            thing["properties"]["how"]["oneOf"].append({"type": "boolean"})

        self.check(change)

    def test_wider_bounds(self):
        def change(document, operation, thing):
            thing["properties"]["name"] = {"type": "string", "minLength": 0}
            thing["properties"]["count"]["maximum"] = 10

        self.check(change)

    def test_an_error_that_is_gone(self):
        self.check(lambda d, o, t: o["responses"].pop("404"))

    def test_another_name_of_a_part_of_the_path(self):
        def change(document, operation, thing):
            document["paths"]["/things/{thing}"] = document["paths"].pop("/things/{id}")
            document["components"]["parameters"]["id"]["name"] = "thing"

        self.check(change)

    def test_the_same_by_allof(self):
        def change(document, operation, thing):
            whole = dict(thing)
            thing.clear()
            thing["allOf"] = [{"type": "object", "properties": whole.pop("properties")}, whole]

        self.check(change)

    def test_one_more_way_of_showing_who_one_is(self):
        self.check(lambda d, o, t: d["security"].append({}))


class Breaking(unittest.TestCase):
    def check(self, change, *texts: str) -> None:
        found = changed(change)
        for text in texts:
            self.assertTrue(any(text in line for line in found), f"{text!r} is not in {found}")

    def test_operations(self):
        self.check(lambda d, o, t: d["paths"]["/things/{id}"].pop("put"), "PUT /things/{id}: is gone")
        self.check(lambda d, o, t: d["paths"].clear(), "PUT /things/{id}: is gone")

    def test_parameters(self):
        self.check(lambda d, o, t: o.pop("parameters"), "parameter dry is gone")
        self.check(lambda d, o, t: o["parameters"][0].update(required=True), "parameter dry is required now")
        new = {"name": "new", "in": "query", "required": True, "schema": {}}
        self.check(lambda d, o, t: o["parameters"].append(new), "parameter new is new and required")
        self.check(
            lambda d, o, t: o["parameters"][0]["schema"].update(type="integer"), "dry: is integer now, was boolean"
        )

    def test_bodies(self):
        self.check(lambda d, o, t: o["requestBody"].update(required=True), "the body is required now")
        self.check(lambda d, o, t: o.pop("requestBody"), "takes no body any more")
        self.check(lambda d, o, t: o["requestBody"]["content"].clear(), "body: application/json is gone")

    def test_fields_of_requests(self):
        self.check(lambda d, o, t: t["properties"].pop("kind"), "body.kind is gone", "answer 200.kind is gone")
        self.check(lambda d, o, t: t["required"].append("kind"), "body.kind is required now")

    def test_narrower_values(self):
        def update(name, **values):
            return lambda d, o, t: t["properties"][name].update(values)

        self.check(update("name", maxLength=9), "body.name: maxLength is 9 now, was 10")
        self.check(update("name", minLength=2), "body.name: minLength is 2 now, was 1")
        self.check(update("name", pattern="^x"), "body.name: pattern is ^x now, was none")
        self.check(update("name", format="uuid"), "body.name: format is uuid now, was none")
        self.check(update("tags", maxItems=5), "body.tags: maxItems is 5 now, was none")
        self.check(update("kind", enum=["a"]), 'body.kind: takes "b" no more')
        self.check(update("name", enum=["a"]), 'body.name: takes only ["a"] now')
        self.check(update("count", minimum=1), "body.count: minimum is 1 now, was 0")
        self.check(update("count", nullable=False), "body.count: takes no null any more")
        self.check(update("tags", items={"type": "integer"}), "body.tags[]: is integer now, was string")

    def test_additional_fields(self):
        old = copy.deepcopy(DOCUMENT)
        del old["components"]["schemas"]["Thing"]["additionalProperties"]
        self.assertIn("PUT /things/{id}: body: takes no other fields any more", module.Comparison(old, DOCUMENT).run())

    def test_alternatives(self):
        self.check(
            lambda d, o, t: t["properties"]["how"]["oneOf"].pop(0), "body.how (form 1): is object now, was string"
        )
        self.check(
            lambda d, o, t: t["properties"]["how"]["oneOf"][1]["properties"]["x"].update(type="string"),
            "body.how (form 2).x: is string now, was integer",
        )

    def test_answers(self):
        self.check(lambda d, o, t: o["responses"].pop("200"), "answer 200 is gone")
        self.check(lambda d, o, t: o["responses"]["200"].pop("headers"), "answer 200: header etag is gone")
        self.check(lambda d, o, t: t["required"].clear(), "answer 200.name may be absent now")
        self.check(lambda d, o, t: t["properties"].pop("id"), "answer 200.id is gone")
        self.check(lambda d, o, t: t["properties"]["name"].update(nullable=True), "answer 200.name: may be null now")

    def test_numbers(self):
        """Wider for who sends, another for who reads; and the other way round."""
        found = changed(lambda d, o, t: t["properties"]["count"].update(type="number"))
        self.assertEqual(found, ["PUT /things/{id}: answer 200.count: is number now, was integer"])
        old = copy.deepcopy(DOCUMENT)
        old["components"]["schemas"]["Thing"]["properties"]["count"]["type"] = "number"
        found = module.Comparison(old, DOCUMENT).run()
        self.assertEqual(found, ["PUT /things/{id}: body.count: is integer now, was number"])

    def test_security(self):
        self.check(lambda d, o, t: d["security"].pop(), "key is not enough any more")
        old = copy.deepcopy(DOCUMENT)
        old["paths"]["/things/{id}"]["put"]["security"] = []
        self.assertEqual(
            module.Comparison(old, DOCUMENT).run(), ["PUT /things/{id}: no security is not enough any more"]
        )


class Versions(unittest.TestCase):
    def test_which_may_break(self):
        for old, new, may in [
            ("0.1.0", "0.1.1", False),
            ("0.1.9", "0.2.0", True),
            ("0.9.0", "1.0.0", True),
            ("1.1.0", "1.2.0", False),
            ("1.9.0", "2.0.0", True),
        ]:
            self.assertEqual(module.may_break(old, new), may, f"{old} {new}")

    def test_what_a_section_names(self):
        text = "# Upgrading\n\n## 0.2.0\n\n```api\nGET *: parameter offset: maximum is 9 now, was none\nPUT /a: is gone\n```\n\n"
        text += "## 0.1.0\n\n```api\nPUT /b: is gone\n```\n"
        found = ["GET /a/{id}: parameter offset: maximum is 9 now, was none", "PUT /a: is gone", "PUT /b: is gone"]
        self.assertEqual(module.unnamed(found, "0.2.0", text), ["PUT /b: is gone"])
        self.assertEqual(module.unnamed(found, "0.1.0", text), found[:2])
        self.assertEqual(module.unnamed(found, "0.3.0", text), found)


class Releases(unittest.TestCase):
    """With which commit of a repository's history it is compared."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        patched = unittest.mock.patch.object(module, "ROOT", self.root)
        patched.start()
        self.addCleanup(patched.stop)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        command = ["git", "-C", str(self.root), *author, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, document: dict) -> None:
        file = self.root / module.FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))

    def commit(self, version: str | None, text: str = "") -> str:
        self.write({"info": {"version": version, "title": text}} if version else {})
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", text or "raised")
        return self.git("rev-parse", "HEAD")

    def test_without_tags_it_is_the_one_that_raised_the_version(self):
        self.commit(None)
        first = self.commit("0.1.0")
        self.commit("0.1.0", "more")
        second = self.commit("0.2.0")
        self.assertEqual(module.release_before("0.2.0"), first)
        self.commit("0.2.0", "more")
        self.assertEqual(module.release_before("0.2.0"), second)
        # Raised, and not committed yet.
        self.assertEqual(module.release_before("0.3.0"), second)

    def test_a_version_that_is_raised_right_after_another_one_is_compared_with_that(self):
        self.commit("0.1.0")
        second = self.commit("0.2.0")
        self.assertEqual(module.release_before("0.3.0"), second)

    def test_what_was_merged_counts_as_of_its_merge(self):
        self.commit("0.1.0")
        self.git("checkout", "--quiet", "-b", "side")
        self.commit("0.2.0")
        self.git("checkout", "--quiet", "main")
        self.git("commit", "--quiet", "--allow-empty", "--message", "meanwhile")
        self.git("merge", "--quiet", "--no-ff", "--message", "merge", "side")
        merge = self.git("rev-parse", "HEAD")
        self.commit("0.2.0", "more")
        self.assertEqual(module.release_before("0.2.0"), merge)

    def test_a_tag_is_what_it_says(self):
        self.commit("0.1.0")
        self.commit("0.1.0", "more")
        self.git("tag", "v0.1.0")
        self.commit("0.1.0", "still more")
        self.assertEqual(module.release_before("0.1.0"), "v0.1.0")

    def test_before_there_was_a_version_there_is_nothing(self):
        self.commit(None)
        self.commit(None, "more")
        self.assertIsNone(module.release_before("0.1.0"))


if __name__ == "__main__":
    unittest.main()
