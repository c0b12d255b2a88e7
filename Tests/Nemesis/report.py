"""What a run came to, as a row of a table."""

import pathlib

COLUMNS = ("seed", "minutes", "faults", "sent", "delivered", "failed", "twice", "lost", "inverted", "stuck")


class Result:
    def __init__(self):
        self.sent = self.delivered = self.failed = self.twice = self.lost = self.inverted = self.stuck = 0
        self.is_complete = False
        # Sentences.
        self.wrong = []

    def row(self, seed, minutes, counts):
        faults = ", ".join(f"{kind} {count}" for kind, count in counts.items() if count)
        numbers = (self.sent, self.delivered, self.failed, self.twice, self.lost, self.inverted, self.stuck)
        return line((seed, f"{minutes:g}", faults, *(f"{number:,}" for number in numbers)))


def line(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def header():
    return line(COLUMNS) + "\n" + line("---" for _ in COLUMNS)


def append(path, row):
    path = pathlib.Path(path)
    beginning = "" if path.exists() else header() + "\n"
    with path.open("a") as file:
        file.write(beginning + row + "\n")
