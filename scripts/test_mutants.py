import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

path = str(pathlib.Path(__file__).with_name("mutants"))
loader = importlib.machinery.SourceFileLoader("mutants", path)
spec = importlib.util.spec_from_loader("mutants", loader)
module = importlib.util.module_from_spec(spec)
# Where a data class looks for the module that it is of.
sys.modules["mutants"] = module
loader.exec_module(module)

TEXT = '''\
struct A {
    let full = a >= b
    func run() {
        self.count += 1
    }
    func runAgain() {
        self.count += 1
    }
    let query: Query = """
        SELECT a FROM b WHERE c
        """
}
'''
LIST = """
tests = ['^ATests', '^BTests']

[[mutant]]
number = 1
file = "A.swift"
breaks = "It is full only later."
original = "a >= b"
mistake = "a > b"
"""


def mutant(original: str, mistake: str, **more):
    return module.Mutant("Room", more.pop("number", 1), "A.swift", "It goes wrong.", original, mistake, **more)


def room(*mutants):
    return module.Room("Room", ["^ATests", "^BTests"], list(mutants))


class MutantsTests(unittest.TestCase):
    def test_an_expression_is_chosen_by_its_number(self):
        text = module.mutated(TEXT, [mutant("a >= b", "a > b", number=7)])
        self.assertEqual(text, TEXT.replace("a >= b", "(mutant(7) ? (a > b) : (a >= b))"))

    def test_statements_are_done_or_others_instead_of_them(self):
        within = "    func runAgain() {\n        self.count += 1\n"
        text = module.mutated(TEXT, [mutant("self.count += 1", "", kind="statements", within=within)])
        switch = "if mutant(1) {\n\n} else {\nself.count += 1\n}"
        self.assertEqual(text, TEXT.replace(within, within.replace("self.count += 1", switch)))

    def test_a_literal_of_several_lines_is_there_with_the_mistake_and_without(self):
        text = module.mutated(TEXT, [mutant(" WHERE c", "", kind="text")])
        begin = '"""\n        SELECT a FROM b'
        end = '\n        """'
        self.assertIn(f"Query = (mutant(1) ? {begin}{end} : {begin} WHERE c{end})\n", text)
        with self.assertRaisesRegex(module.Stale, "outside of a literal"):
            module.mutated(TEXT, [mutant("a >= b", "a > b", kind="text")])

    def test_several_of_a_file_are_written_in_whatever_their_order(self):
        two = [mutant("WHERE c", "", number=2, kind="text"), mutant("a >= b", "a > b")]
        text = module.mutated(TEXT, two)
        self.assertEqual(text, module.mutated(TEXT, two[::-1]))
        self.assertTrue("mutant(1)" in text and "mutant(2)" in text)
        with self.assertRaisesRegex(module.Stale, "another mutant in the same place"):
            module.mutated(TEXT, [mutant("a >= b", "a > b"), mutant("full = a >= b", "x", number=2)])

    def test_what_does_not_stand_there_once_is_stale(self):
        for original, within, times in [("a <= b", "", 0), ("self.count += 1", "", 2), ("a", "a >= b, c", 0)]:
            with self.assertRaisesRegex(module.Stale, f"Room 1: A.swift has this {times} times"):
                module.mutated(TEXT, [mutant(original, "x", within=within)])

    def test_all_that_is_stale_is_named_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "Sources" / "Room").mkdir(parents=True)
            (root / "Sources" / "Room" / "A.swift").write_text(TEXT)
            good = mutant("a >= b", "a > b", number=3)
            files = module.mutated_files([room(good)], root)
            self.assertEqual(files.keys(), {"Sources/Room/A.swift", "Sources/Room/Mutants.swift"})
            gone = module.Mutant("Room", 4, "B.swift", "It goes wrong.", "a", "b")
            with self.assertRaises(module.Stale) as caught:
                module.mutated_files([room(mutant("x", "y"), mutant("z", "y", number=2), good, gone)], root)
            lines = str(caught.exception).split("\n")
            self.assertEqual([line.split(":")[0] for line in lines], ["Room 1", "Room 2", "Room 4"])

    def test_a_list_is_read_with_what_is_wrong_in_it(self):
        found = module.read_room("Room", LIST)
        self.assertEqual(found.tests, ["^ATests", "^BTests"])
        self.assertEqual(
            found.mutants[0], module.Mutant("Room", 1, "A.swift", "It is full only later.", "a >= b", "a > b")
        )
        for old, new, words in [
            ("tests = ['^ATests', '^BTests']", "tests = []", "has tests"),
            ('breaks = "It is full only later."\n', "", "breaks is missing"),
            ("number = 1", 'number = "1"', "number is no field of a mutant, or of another type"),
            ("number = 1", "number = 1\nwhy = 'x'", "why is no field"),
            ("a > b", "a >= b", "the mistake is what stands there"),
            ("number = 1", "number = 1\nkind = 'x'", "kind is none of"),
            ("number = 1", "number = 1\nfirst = '^CTests'", "first is none of the room's tests"),
        ]:
            with self.assertRaisesRegex(module.Stale, words):
                module.read_room("Room", LIST.replace(old, new))

    def test_a_number_is_one_mutants(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("A", "B"):
                (pathlib.Path(folder) / f"{name}.toml").write_text(LIST)
            with self.assertRaisesRegex(module.Stale, "B 1: A has one of that number"):
                module.read_rooms(pathlib.Path(folder))

    def test_the_repositorys_lists_fit_its_sources(self):
        self.assertTrue(module.mutated_files(module.read_rooms()))

    def test_a_part_of_them_is_chosen_by_room_and_number(self):
        rooms = [room(mutant("a", "b"), mutant("c", "d", number=2))]
        self.assertEqual([m.number for m in module.selected(rooms, [], [2])[0].mutants], [2])
        self.assertEqual(len(module.selected(rooms, ["Room"], [])[0].mutants), 2)
        for names, numbers in [(["Kitchen"], []), ([], [9])]:
            with self.assertRaises(SystemExit):
                module.selected(rooms, names, numbers)

    def test_the_tests_that_are_named_come_first(self):
        one = mutant("a", "b", first="^BTests")
        self.assertEqual(module.tests_of(room(one), one), ["^BTests", "^ATests"])

    def test_the_table_says_what_is_not_noticed_and_whether_that_is_too_much(self):
        rooms = [room(*(mutant("a", "b", number=number) for number in range(10)))]
        noticed = {number: "failed ^ATests" for number in range(10)} | {3: "", 4: "hung ^ATests"}
        text, is_enough = module.report(rooms, noticed, 90)
        self.assertTrue(is_enough)
        self.assertIn("Room                9   10  90 %\n", text)
        self.assertIn("No test notices:\n  3 Room/A.swift: It goes wrong.", text)
        self.assertIn("Noticed because nothing came to an end:\n  4 Room", text)
        text, is_enough = module.report(rooms, noticed | {5: ""}, 90)
        self.assertFalse(is_enough)
        self.assertIn("80 %  less than 90 %", text)

    def test_tests_are_counted_by_what_is_said_at_the_end(self):
        self.assertEqual(module.count_tests("Test run with 12 tests in 3 suites passed after 1.2 seconds."), 12)
        self.assertEqual(module.count_tests("Test run with 1 test in 1 suite failed after 1.2 seconds."), 1)
        self.assertEqual(module.count_tests("No matching test cases were run"), 0)

    def test_the_first_failure_ends_a_run_and_time_one_without(self):
        for script, is_over_at_once, end in (
            ("echo 'Test a() recorded a known issue'; exit 0", True, "passed"),
            ("printf 'Test a() recorded an '; sleep 0.5; echo issue; sleep 600", True, "failed"),
            ("echo 'Test a() recorded an issue'; exit 1", False, "failed"),
            ("sleep 600", True, "hung"),
        ):
            with tempfile.TemporaryDirectory() as folder, self.subTest(script):
                log = pathlib.Path(folder) / "log"
                with log.open("wb") as output:
                    process = subprocess.Popen(["bash", "-c", script], stdout=output, start_new_session=True)
                try:
                    limit = 1 if end == "hung" else 60
                    self.assertEqual(module.wait(process, log, limit, is_over_at_once), end)
                finally:
                    module.end_family(process.pid)
                    process.wait()


if __name__ == "__main__":
    unittest.main()
