#!/usr/bin/env python3
"""Two instances of Hookline under load on PostgreSQL with a standby, while the one that leads is switched, killed, stopped or cut off.
Nothing may be lost, out of order or stuck. See docs/scaling.md.

Needs Debian's postgresql, patroni, etcd-server, haproxy and mosquitto."""

import argparse
import asyncio
import random
import signal
import sys

import checks
import ending
import report
from cluster import TTL, Cluster
from facts import Facts
from ledger import Ledger
from processes import until
from run import Run
from world import World

COLUMNS = ("what", "sent", "delivered", "twice", "lost", "gap")
# How long load is there before the fault and after it is over, in seconds.
CALM = 5
# For how long a machine is away: longer than its lead lasts without it.
AWAY = TTL + 15
# Whose receiver answers at once, so that what is missing there is missing at us.
STEADY = "plain"
LONGEST = 1_800


class GapLedger(Ledger):
    """Also knows the longest time in which nothing was delivered to the steady receiver."""

    def __init__(self, seconds):
        super().__init__(seconds)
        self.watch(is_on=False)

    def watch(self, is_on):
        self.is_watching = is_on
        self.last, self.gap = self.seconds(), 0

    def answered(self, name, delivery_id, messages, is_accepted):
        super().answered(name, delivery_id, messages, is_accepted)
        if self.is_watching and name == STEADY:
            self.gap = max(self.gap, self.seconds() - self.last)
            self.last = self.seconds()


class FailoverWorld(World):
    def __init__(self, options, say, seconds):
        super().__init__(options, say, seconds)
        self.ledger = GapLedger(seconds)

    def make_database(self):
        self.database = Cluster(self.folder, self.options.way == "haproxy")

    async def way_to_database(self, name):
        return self.database.url()

    async def end_database(self):
        await self.database.end()

    async def heal(self):
        for link in self.links.values():
            link.heal()
        for node in self.database.nodes:
            node.heal()
            node.send(signal.SIGCONT)
            if not node.process.is_running:
                await node.process.start()
        await until("a standby that has everything", self.database.is_whole, 180)


class Changes:
    """What may happen to the cluster."""

    def __init__(self, cluster, say):
        self.cluster = cluster
        self.say = say

    def all(self):
        return {
            "switchover": self.switch_over,
            "the primary's machine is lost": self.lose_primary,
            "the primary's machine hangs": self.hang_primary,
            "the primary is cut off": self.cut_off_primary,
            "the standby's machine is lost": self.lose_standby,
        }

    async def switch_over(self):
        before = await self.cluster.switch_over()
        await self.other_leads(before)

    async def lose_primary(self):
        before = await self.cluster.leader()
        await before.kill()
        await asyncio.gather(asyncio.sleep(AWAY), self.other_leads(before))

    async def hang_primary(self):
        before = await self.cluster.leader()
        before.send(signal.SIGSTOP)
        await asyncio.gather(asyncio.sleep(AWAY), self.other_leads(before))
        # What its watchdog does.
        await before.kill()

    async def cut_off_primary(self):
        before = await self.cluster.leader()
        before.silence()
        await asyncio.gather(asyncio.sleep(AWAY), self.other_leads(before))

    async def lose_standby(self):
        leader = await self.cluster.leader()
        await self.other(leader).kill()
        await asyncio.sleep(AWAY)

    async def other_leads(self, before):
        name = self.other(before).name
        await until(f"{name} to lead", lambda: self.cluster.leads(name), 90)
        self.say(f"{name} leads now")

    def other(self, node):
        return next(other for other in self.cluster.nodes if other is not node)


class FailoverRun(Run):
    def __init__(self, options):
        super().__init__(options)
        self.world = FailoverWorld(options, self.say, self.seconds)
        self.facts = Facts(self.world)
        self.rows, self.wrong = [], []

    async def carry_out(self):
        self.say(f"{self.options.rate:g} messages a second, {self.options.binary}")
        await self.world.start()
        self.say(f"everything runs in {self.world.folder}")
        for name, change in Changes(self.world.database, self.say).all().items():
            if self.options.only in name:
                await self.phase(name, change)
        for name, code in (await self.world.end_instances()).items():
            if code != 0:
                self.wrong.append(f"{name} did not end in good order: {code}")

    async def phase(self, name, change):
        self.say(name)
        ledger, publisher = self.world.ledger, self.world.publisher
        before = (len(ledger.sent), ledger.delivered, ledger.twice)
        publisher.is_finishing = False
        publishing = asyncio.create_task(publisher.run())
        self.world.tasks.append(publishing)
        ledger.watch(is_on=True)
        await asyncio.sleep(CALM)
        await change()
        await self.world.heal()
        self.say("everything is healed")
        await asyncio.sleep(CALM)
        publisher.is_finishing = True
        await asyncio.wait_for(asyncio.shield(publishing), 30)
        gap = ledger.gap
        ledger.watch(is_on=False)
        await self.come_to_rest()
        lost = await self.judge_phase(name)
        now = (len(ledger.sent), ledger.delivered, ledger.twice)
        numbers = [f"{after - first:,}" for after, first in zip(now, before, strict=True)]
        self.rows.append(report.line((name, *numbers, len(lost), f"{gap:.1f} s")))

    async def judge_phase(self, name):
        ledger = self.world.ledger
        failed, unfinished = await self.facts.failed_pairs(), await self.facts.unfinished_pairs()
        lost = checks.lost(ledger, failed, unfinished)
        wrong = list(self.unrest)
        if lost:
            wrong.append(f"{len(lost)} deliveries are lost, such as {sorted(lost)[:5]}")
            self.write_lost(lost)
        if inverted := checks.inverted(ledger, failed):
            wrong.append(f"{len(inverted)} deliveries came out of order, such as {inverted[:3]}")
            self.write_inversions(inverted)
        for instance in self.world.instances.values():
            wrong += [f"{instance.name} crashed: {crash}" for crash in instance.crashes]
        self.wrong += [f"{name}: {sentence}" for sentence in wrong]
        # Each is told once.
        ledger.open -= lost
        return lost


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=["hosts", "haproxy"], default="hosts", help="how the one that leads is found")
    parser.add_argument("--only", default="", help='a part of what is tried alone, such as "cut off"')
    parser.add_argument("--rate", type=float, default=200, help="messages a second; default: 200")
    ending.add_binary(parser)
    parser.add_argument("--keep", action="store_true", help="keep the folder even if all is well")
    options = parser.parse_args()
    options.binary = ending.binary_of(options, parser)
    options.seed, options.minutes, options.may_mount, options.without = random.randrange(1_000_000), 0, False, []
    return options


async def carry_out(options):
    """Returns whether all is well."""
    run = FailoverRun(options)
    failure = ["it did not come to its end"]
    try:
        failure = await ending.carry_out(run, LONGEST)
    finally:
        wrong = run.wrong + failure
        await run.world.close(is_kept=bool(wrong) or options.keep)
        print(report.line(COLUMNS), report.line("---" for _ in COLUMNS), *run.rows, sep="\n")
        for sentence in wrong:
            print(f"WRONG: {sentence}")
        if wrong or options.keep:
            print(f"Logs are in {run.world.folder}")
    return not wrong


if __name__ == "__main__":
    try:
        sys.exit(0 if asyncio.run(carry_out(arguments())) else 1)
    except asyncio.CancelledError:
        sys.exit("ended by a signal")
