"""Publishes numbered messages at QoS 1 and knows which of them the broker acknowledged: a small MQTT 5 client."""

import asyncio
import time

from packets import Packets, mqtt_end, mqtt_packet, mqtt_text
from tasks import first_of
from webhooks import THINGS, payload_of, subtopic_of

CONNECT, CONNACK, PUBLISH, PUBACK = 0x10, 0x20, 0x32, 0x40
MOST_UNDER_WAY = 500
KEEPALIVE = 60
NO_PROPERTIES = b"\0"


def connect(client, is_clean, expiry=0):
    """expiry: for how many seconds the session outlives the connection."""
    properties = b"\x05\x11" + expiry.to_bytes(4)
    flags = bytes([2 if is_clean else 0])
    body = mqtt_text("MQTT") + b"\5" + flags + KEEPALIVE.to_bytes(2) + properties + mqtt_text(client)
    return mqtt_packet(CONNECT, body)


class Publisher:
    def __init__(self, port, ids, rate, chance, ledger):
        """ids of the things, rate in messages a second."""
        self.port = port
        self.ids = ids
        self.rate = rate
        self.chance = chance
        self.ledger = ledger
        self.numbers = [0] * THINGS
        # By packet id, in the order in which they were published first.
        self.under_way = {}
        self.packet_id = 0
        self.is_finishing = False
        # Acknowledged, but nobody had subscribed.
        self.unwanted = 0

    async def run(self):
        """Until it is to finish and everything is acknowledged."""
        while not (self.is_finishing and not self.under_way):
            try:
                await self.publish_while_connected()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)

    async def publish_while_connected(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(connect("publisher", is_clean=True))
            # In the same order, so that the broker has a thing's messages in theirs.
            for packet_id, message in self.under_way.items():
                writer.write(self.packet(packet_id, message))
            await first_of(self.listen(reader), self.produce(writer))
        finally:
            writer.close()

    async def produce(self, writer):
        due = time.monotonic()
        while not (self.is_finishing and not self.under_way):
            now = time.monotonic()
            # What could not go out in time is not made up for.
            due = max(due, now - 0.1)
            while due <= now and len(self.under_way) < MOST_UNDER_WAY and not self.is_finishing:
                due += 1 / self.rate
                writer.write(self.next_packet())
            await writer.drain()
            await asyncio.sleep(0.01)

    def next_packet(self):
        thing = self.chance.randrange(THINGS)
        self.numbers[thing] += 1
        message = (thing, self.numbers[thing])
        self.packet_id = self.packet_id % 65_535 + 1
        self.under_way[self.packet_id] = message
        return self.packet(self.packet_id, message)

    def packet(self, packet_id, message):
        topic = f"things/{self.ids[message[0]]}/messages/{subtopic_of(message[1])}"
        body = mqtt_text(topic) + packet_id.to_bytes(2) + NO_PROPERTIES + payload_of(message)
        return mqtt_packet(PUBLISH, body)

    async def listen(self, reader):
        packets = Packets(mqtt_end)
        while data := await reader.read(65_536):
            for packet in packets.feed(data):
                if packet[0] == PUBACK:
                    self.acknowledged(int.from_bytes(packet[2:4]), packet[4] if len(packet) > 4 else 0)
        raise ConnectionError("the broker is gone")

    def acknowledged(self, packet_id, reason):
        message = self.under_way.pop(packet_id, None)
        if message is None:
            return
        if reason == 0:
            self.ledger.acknowledged(message)
        else:
            self.unwanted += 1


async def held_for(port, client):
    """How many messages the broker still holds for a client id. Nothing is acknowledged, so they stay there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    packets, held = Packets(mqtt_end), []
    try:
        writer.write(connect(client, is_clean=False, expiry=3_600))
        async with asyncio.timeout(10):
            while data := await asyncio.wait_for(reader.read(65_536), 2):
                held += packets.feed(data)
    except TimeoutError:
        pass
    finally:
        writer.close()
    return sum(packet[0] & 0xF0 == PUBLISH & 0xF0 for packet in held)
