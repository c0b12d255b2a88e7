"""Where the messages of PostgreSQL's and MQTT's protocols begin and end."""

import re

CONNECT, PUBLISH = 1, 3

# In payloads, and in whatever webhooks make of them.
NUMBERS = re.compile(rb'"t":(\d+),"n":(\d+)')


def messages_in(text):
    """The messages that are in a payload or a request's body, as pairs of their thing's number and their own."""
    return [(int(thing), int(number)) for thing, number in NUMBERS.findall(text)]


def postgres_end(buffer, start):
    """Where the server's message that begins there ends; None while that is unknown. Not for connections over TLS."""
    if len(buffer) < start + 5:
        return None
    return start + 1 + int.from_bytes(buffer[start + 1 : start + 5])


def any_end(buffer, start):
    """Of a stream that nobody looks into: whatever is there is whole."""
    return len(buffer) if len(buffer) > start else None


def mqtt_end(buffer, start):
    body = mqtt_body(buffer, start)
    return body and body[1]


def mqtt_body(buffer, start=0):
    """Where a packet's body begins and ends; None while that is unknown."""
    length = 0
    for place in range(4):
        at = start + 1 + place
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 0x7F) << (7 * place)
        if buffer[at] < 0x80:
            return at + 1, at + 1 + length
    raise ValueError("not an MQTT packet")


def mqtt_packet(first, body):
    length, encoded = len(body), bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first]) + bytes(encoded) + body


def mqtt_text(text):
    return len(text.encode()).to_bytes(2) + text.encode()


def client_id(packet):
    """Whose CONNECT it is, of MQTT 3.1.1 or 5."""
    body, _ = mqtt_body(packet)
    # The protocol's name and version, flags, keepalive.
    at = body + 6 + 1 + 1 + 2
    if packet[body + 6] == 5:
        at = mqtt_body(packet, at - 1)[1]
    length = int.from_bytes(packet[at : at + 2])
    return bytes(packet[at + 2 : at + 2 + length]).decode()


class Packets:
    """Whole messages of a stream."""

    def __init__(self, end):
        self.end = end
        self.rest = bytearray()

    def feed(self, data):
        self.rest += data
        packets, start = [], 0
        while (end := self.end(self.rest, start)) is not None and end <= len(self.rest):
            packets.append(bytes(self.rest[start:end]))
            start = end
        del self.rest[:start]
        return packets
