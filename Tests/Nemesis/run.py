"""One run: the load, the faults, the healing, and the judgement."""

import asyncio
import time

import checks
from facts import Facts
from faults import Faults
from processes import Failure
from publisher import held_for
from report import Result
from schedule import INSTANCES, plan
from world import World

# For how long nothing may get better before everything has come to rest, and how long that may take in all. A backlog that a
# receiver lets go down slowly is not stuck.
PATIENCE = 100
LONGEST_REST = 400


class Run:
    def __init__(self, options):
        self.options = options
        self.began = time.monotonic()
        self.world = World(options, self.say, self.seconds)
        self.faults = Faults(self.world, self.say)
        self.facts = Facts(self.world)
        self.result = Result()
        self.unrest = ["nothing was looked at"]

    def seconds(self):
        return time.monotonic() - self.began

    def say(self, text):
        line = f"{self.seconds():7.1f} s  {text}"
        print(line, flush=True)
        with open(self.world.folder / "run.log", "a") as log:
            log.write(line + "\n")

    async def carry_out(self):
        self.say(f"seed {self.options.seed}, {self.options.minutes:g} minutes of {self.options.binary}")
        await self.world.start()
        self.say(f"everything runs in {self.world.folder}")
        publisher = self.world.publisher
        publishing = asyncio.create_task(publisher.run())
        self.world.tasks.append(publishing)
        seconds = self.options.minutes * 60
        await self.faults.carry_out(plan(self.options.seed, seconds), seconds)
        await self.world.heal()
        publisher.is_finishing = True
        self.say("everything is healed")
        try:
            await asyncio.wait_for(asyncio.shield(publishing), 30)
        except TimeoutError:
            raise Failure("the broker does not acknowledge everything") from None
        await self.come_to_rest()
        await self.judge()

    # Rest

    async def come_to_rest(self):
        healed = better = time.monotonic()
        fewest = None
        while time.monotonic() < min(better + PATIENCE, healed + LONGEST_REST):
            self.world.raise_failures()
            self.unrest = await self.what_is_not_at_rest()
            if not self.unrest:
                return self.say("everything is quiet")
            waiting = await self.facts.unfinished()
            if fewest is None or waiting < fewest:
                fewest, better = waiting, time.monotonic()
            await asyncio.sleep(1)
        self.say(f"it is not quiet after {time.monotonic() - healed:.0f} s")

    async def what_is_not_at_rest(self):
        unrest = []
        if count := await self.facts.unfinished():
            unrest.append(f"{count} deliveries are neither done nor given up")
        elif missing := self.world.ledger.open - await self.facts.failed_pairs():
            unrest.append(f"{len(missing)} deliveries are missing")
        living, over = await self.facts.sessions()
        if living != list(INSTANCES) or over:
            unrest.append(f"the sessions are {living}, and over, but still there, {over}")
        if abandoned := await self.facts.abandoned():
            unrest.append(f"nobody fetches what the broker holds for {abandoned}")
        if orphans := await self.facts.orphans():
            unrest.append(f"{len(orphans)} payloads are not swept up, such as {orphans[:3]}")
        for instance in self.world.instances.values():
            if not await instance.is_ready():
                unrest.append(f"{instance.name} is not ready")
        return unrest

    # Judgement

    async def judge(self):
        ledger, result = self.world.ledger, self.result
        failed, unfinished = await self.facts.failed_pairs(), await self.facts.unfinished_pairs()
        lost, inverted = checks.lost(ledger, failed, unfinished), checks.inverted(ledger, failed)
        result.sent, result.delivered, result.twice = len(ledger.sent), ledger.delivered, ledger.twice
        result.failed = len(ledger.open & failed)
        result.lost, result.inverted, result.stuck = len(lost), len(inverted), await self.facts.unfinished()
        result.wrong += self.unrest
        result.wrong += checks.wrong_counts(ledger, failed | unfinished, await self.facts.counts())
        result.wrong += checks.wrong_totals(await self.facts.failed_totals())
        for instance in self.world.instances.values():
            result.wrong += [f"{instance.name} crashed: {name}" for name in instance.crashes]
        if ledger.mistaken_ids:
            result.wrong.append(f"delivery ids that stood for two messages: {sorted(ledger.mistaken_ids)[:5]}")
        if inverted:
            result.wrong.append(f"{len(inverted)} deliveries came out of order, such as {inverted[:3]}")
            self.write_inversions(inverted)
        if lost:
            result.wrong.append(f"{len(lost)} deliveries are lost, such as {sorted(lost)[:5]}")
            self.write_lost(lost)
        await self.facts.write(self.world.folder / "database.txt")
        for name, code in (await self.world.end_instances()).items():
            if code != 0:
                result.wrong.append(f"{name} did not end in good order: {code}")
        for name in INSTANCES:
            if held := await held_for(self.world.broker.port, name):
                result.wrong.append(f"the broker still holds {held} messages for {name}")
        result.is_complete = True

    def write_lost(self, lost):
        """With the client ids that the broker handed the messages to, and when."""
        handed = self.world.ledger.handed.items()
        lines = []
        for name, message in sorted(lost):
            ways = [f"{client} at {messages[message]} s" for client, messages in handed if message in messages]
            lines.append(f"{name} {message} handed to {', '.join(ways) or 'nobody'}\n")
        (self.world.folder / "lost.txt").write_text("".join(lines))

    def write_inversions(self, inverted):
        """With all requests of both messages: when, under which id, and whether it was accepted."""
        lines = []
        for inversion in inverted:
            lines.append(f"{inversion.webhook}, handed to {inversion.client}")
            history = self.world.ledger.journals[inversion.webhook].history
            for message in (inversion.message, inversion.overtaken_by):
                lines += [f"    {message} {request}" for request in history[message]]
        (self.world.folder / "inverted.txt").write_text("\n".join(lines) + "\n")
