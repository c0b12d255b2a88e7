"""How long it takes what a person waits for, as a table at the end."""

import contextlib
import json
import time

from roots import say


class Times:
    """Seconds by what they were spent on, in a file: who makes the roots is another process than who uses them."""

    def __init__(self, file):
        self.file = file

    def rows(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    @contextlib.contextmanager
    def of(self, what):
        begin = time.monotonic()
        yield
        self.file.write_text(json.dumps({**self.rows(), what: time.monotonic() - begin}))

    def table(self, sums):
        """Prints what was measured, and the sums of those that begin alike."""
        rows = self.rows()
        for name, prefix in sums.items():
            rows[name] = sum(seconds for what, seconds in rows.items() if what.startswith(prefix))
        for what, seconds in rows.items():
            say(f"  {what:<70}{seconds:7.1f} s")
