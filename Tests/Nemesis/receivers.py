"""Who webhooks call: some fail now and then, are slow, hang for a while, or are away for a while."""

import asyncio
import re

from packets import messages_in

HEADER = re.compile(rb"\r\n(content-length|webhook-id): *([^\r]+)", re.IGNORECASE)
ANSWERS = {
    True: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    False: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nsick",
}


class Receiver:
    def __init__(self, name, ledger, chance, failing, takes):
        """failing is how often it answers 500, takes how long it needs, in seconds."""
        self.name = name
        self.ledger = ledger
        self.chance = chance
        self.failing = failing
        self.takes = takes
        self.port = 0
        self.connections = set()
        self.answering = asyncio.Event()
        self.answering.set()

    async def up(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1_000)
        self.port = self.server.sockets[0].getsockname()[1]

    def down(self):
        self.server.close()
        for writer in list(self.connections):
            writer.transport.abort()

    def hang(self):
        self.answering.clear()

    def wake(self):
        """Who waits for an answer gets none."""
        self.answering.set()

    async def serve(self, reader, writer):
        self.connections.add(writer)
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The last at the end of the run.
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def answer(self, reader, writer):
        """Returns whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = {name.lower(): value for name, value in HEADER.findall(head)}
        body = await reader.readexactly(int(headers[b"content-length"]))
        if not self.answering.is_set():
            await self.answering.wait()
            return False
        if self.takes:
            await asyncio.sleep(self.takes)
        if writer.is_closing():
            return False
        # The path is the webhook's name.
        name = head.split(b" ", 2)[1].strip(b"/").decode()
        is_accepted = self.chance.random() >= self.failing
        self.ledger.answered(name, headers[b"webhook-id"], messages_in(body), is_accepted)
        writer.write(ANSWERS[is_accepted])
        await writer.drain()
        return True
