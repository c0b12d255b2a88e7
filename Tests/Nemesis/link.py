"""A way to a server that can be cut, silenced in one direction, delayed, or cut after so many of the server's messages."""

import asyncio

from packets import CONNECT, PUBLISH, Packets, client_id, messages_in, mqtt_end
from tasks import first_of

TO_SERVER, TO_CLIENT = "to server", "to client"


class Link:
    def __init__(self, name, server_port, end, on_publish=lambda client, messages: None):
        """on_publish is told what a broker sends, and to which client id."""
        self.name = name
        self.server_port = server_port
        self.end = end
        self.on_publish = on_publish
        self.flows = {TO_SERVER: asyncio.Event(), TO_CLIENT: asyncio.Event()}
        self.connections = set()
        self.heal()

    async def open(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def heal(self):
        self.is_refusing = False
        # Seconds that every piece is late.
        self.latency = 0
        # How many more messages of the server's go through, and whether half of the last one does.
        self.remaining = None
        self.is_torn = False
        for flow in self.flows.values():
            flow.set()

    def cut(self):
        for connection in list(self.connections):
            connection.cut()

    def silence(self):
        """Nothing goes through any more, and nobody is told so."""
        for flow in self.flows.values():
            flow.clear()

    async def serve(self, reader, writer):
        connection = None
        try:
            if not self.is_refusing:
                server = await asyncio.open_connection("127.0.0.1", self.server_port)
                connection = Connection(self, (reader, writer), server)
                self.connections.add(connection)
                await connection.run()
        except (OSError, asyncio.CancelledError):
            # The latter at the end of the run.
            pass
        finally:
            self.connections.discard(connection)
            writer.close()


class Connection:
    def __init__(self, link, client, server):
        self.link = link
        self.readers = {TO_SERVER: client[0], TO_CLIENT: server[0]}
        self.writers = {TO_SERVER: server[1], TO_CLIENT: client[1]}
        self.packets = {TO_SERVER: Packets(mqtt_end), TO_CLIENT: Packets(link.end)}
        self.client_id = None

    async def run(self):
        try:
            await first_of(*(self.pump(direction) for direction in self.readers))
        finally:
            for writer in self.writers.values():
                writer.close()

    def cut(self):
        for writer in self.writers.values():
            writer.transport.abort()

    async def pump(self, direction):
        reader, writer = self.readers[direction], self.writers[direction]
        while data := await reader.read(65_536):
            if self.link.latency:
                await asyncio.sleep(self.link.latency)
            await self.link.flows[direction].wait()
            if writer.is_closing():
                break
            self.pass_on(direction, data, writer)
            await writer.drain()

    def pass_on(self, direction, data, writer):
        if direction == TO_SERVER:
            self.find_client_id(data)
            return writer.write(data)
        for packet in self.packets[TO_CLIENT].feed(data):
            if self.is_last():
                writer.write(packet[: len(packet) // 2] if self.link.is_torn else b"")
                # What was written before goes out; what comes after is lost.
                writer.close()
                return self.writers[TO_SERVER].transport.abort()
            writer.write(packet)
            if self.client_id and packet[0] >> 4 == PUBLISH:
                self.link.on_publish(self.client_id, messages_in(packet))

    def is_last(self):
        if self.link.remaining is None:
            return False
        self.link.remaining -= 1
        if self.link.remaining > 0:
            return False
        self.link.remaining = None
        return True

    def find_client_id(self, data):
        if self.link.end is mqtt_end and self.client_id is None:
            for packet in self.packets[TO_SERVER].feed(data):
                if packet[0] >> 4 == CONNECT:
                    self.client_id = client_id(packet)
