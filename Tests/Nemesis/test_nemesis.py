"""The nemesis's own parts, without anything running: python3 -m unittest discover Tests/Nemesis"""

import unittest

import checks
import publisher
from facts import Counts
from ledger import Ledger
from packets import Packets, client_id, messages_in, mqtt_end, mqtt_packet, mqtt_text, postgres_end
from schedule import KINDS, plan
from webhooks import payload_of, who_wants


def delivered(ledger, webhook, *messages):
    for message in messages:
        ledger.answered(webhook, f"{webhook} {message}".encode(), [message], is_accepted=True)


class ScheduleTests(unittest.TestCase):
    def test_a_seed_makes_the_same_plan_again_and_another_makes_another(self):
        self.assertEqual(plan(7, 180), plan(7, 180))
        self.assertNotEqual(plan(7, 180), plan(8, 180))

    def test_all_is_over_in_time_and_nothing_meets_itself(self):
        for seed in range(200):
            busy = {}
            for fault in plan(seed, 60):
                self.assertLessEqual(fault.at + fault.lasts, 60)
                place = (KINDS[fault.kind].resource, fault.target)
                self.assertGreaterEqual(fault.at, busy.get(place, 0))
                busy[place] = fault.at + fault.lasts

    def test_every_kind_has_its_turn(self):
        self.assertEqual({fault.kind for seed in range(5) for fault in plan(seed, 180)}, set(KINDS))


class PacketTests(unittest.TestCase):
    def test_messages_are_whole_wherever_the_stream_is_parted(self):
        query = b"Z\0\0\0\5I"
        publish = mqtt_packet(0x32, mqtt_text("things/x/messages") + b"\0\1\0" + payload_of((3, 250)) + b"x" * 200)
        for end, packet in ((postgres_end, query), (mqtt_end, publish)):
            stream = packet * 3
            for at in range(len(stream)):
                packets = Packets(end)
                self.assertEqual(packets.feed(stream[:at]) + packets.feed(stream[at:]), [packet] * 3)

    def test_payloads_and_client_ids_are_found(self):
        self.assertEqual(messages_in(b"[" + payload_of((3, 25)) + b"," + payload_of((4, 1)) + b"]"), [(3, 25), (4, 1)])
        self.assertEqual(client_id(publisher.connect("h1", is_clean=False, expiry=60)), "h1")
        old = mqtt_packet(0x10, mqtt_text("MQTT") + b"\4\2\0\x3c" + mqtt_text("h2"))
        self.assertEqual(client_id(old), "h2")


class CheckTests(unittest.TestCase):
    def test_a_message_is_lost_unless_it_is_accepted_given_up_or_waits(self):
        ledger = Ledger()
        for number in range(1, 5):
            ledger.acknowledged((1, number))
        delivered(ledger, "plain", (1, 1))
        lost = checks.lost(ledger, failed={("plain", (1, 2))}, unfinished={("plain", (1, 3))})
        self.assertEqual({message for name, message in lost if name == "plain"}, {(1, 4)})
        self.assertIn(("ordered", (1, 1)), lost)
        self.assertNotIn(("ordered", (1, 2)), lost)

    def test_what_is_accepted_before_the_broker_acknowledges_it_is_not_lost(self):
        ledger = Ledger()
        for name in who_wants((2, 3)):
            delivered(ledger, name, (2, 3))
        ledger.acknowledged((2, 3))
        self.assertEqual(ledger.open, set())

    def test_order_is_that_of_one_client(self):
        cases = [
            # Handed to h1, handed to h2, delivered in this order, given up; what came out of order.
            ([1, 4, 5], [], [1, 4, 5], [], []),
            ([1, 4, 5], [], [4, 1, 5], [], [1]),
            ([1, 4, 5], [], [5, 1, 4], [], [4, 1]),
            ([1, 4, 5], [], [4, 1, 5], [1], []),
            ([1, 5], [4], [4, 1, 5], [], []),
            ([1, 4, 5], [1], [4, 1, 5], [], []),
            ([1, 4], [], [1, 4, 1], [], []),
        ]
        for first, second, order, failed, wrong in cases:
            ledger = Ledger()
            ledger.handed_over("h1", [(1, number) for number in first])
            ledger.handed_over("h2", [(1, number) for number in second])
            delivered(ledger, "ordered", *[(1, number) for number in order])
            found = checks.inverted(ledger, {("ordered", (1, number)) for number in failed})
            self.assertEqual([inversion.message[1] for inversion in found], wrong, (first, second, order, failed))

    def test_counters_add_up(self):
        ledger = Ledger()
        delivered(ledger, "plain", (1, 1), (1, 2), (1, 2))
        good = Counts(attempts=4, succeeded=3, failed=1, logged=4, in_stats=3, of_given_up=1)
        self.assertEqual(list(checks.wrong_counts(ledger, set(), {"plain": good})), [])
        for change in ({"attempts": 5}, {"logged": 3}, {"of_given_up": 2}, {"in_stats": 4}):
            wrong = Counts(**{**vars(good), **change})
            self.assertTrue(list(checks.wrong_counts(ledger, set(), {"plain": wrong})), change)
        for succeeded, is_right in ((1, False), (2, True), (3, True), (4, False)):
            counts = Counts(succeeded + 1, succeeded, 1, succeeded + 1, 0, 0)
            self.assertEqual(not list(checks.wrong_counts(ledger, set(), {"plain": counts})), is_right, succeeded)

    def test_an_id_stands_for_one_message(self):
        ledger = Ledger()
        ledger.answered("plain", b"msg_1_1", [(1, 1)], is_accepted=False)
        ledger.answered("plain", b"msg_1_1", [(1, 1)], is_accepted=True)
        self.assertFalse(ledger.mistaken_ids)
        ledger.answered("plain", b"msg_1_1", [(1, 2)], is_accepted=True)
        self.assertTrue(ledger.mistaken_ids)


if __name__ == "__main__":
    unittest.main()
