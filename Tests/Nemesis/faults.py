"""Carries out the faults of a plan on a world."""

import asyncio
import signal


class Faults:
    def __init__(self, world, say):
        self.world = world
        self.say = say
        self.actions = {
            "kill": self.kill,
            "stop": self.stop,
            "pause": self.pause,
            "cut": self.cut,
            "cut after": self.cut_after,
            "silence": self.silence,
            "delay": self.delay,
            "restart database": self.restart_database,
            "read-only": self.read_only,
            "full disk": self.full_disk,
            "restart broker": self.restart_broker,
            "clock": self.clock,
            "receiver down": self.receiver_down,
            "receiver hangs": self.receiver_hangs,
        }
        # How many of each kind were carried out.
        self.counts = dict.fromkeys(self.actions, 0)

    def missing(self):
        """The kinds that cannot be had here, and why."""
        missing = dict.fromkeys(self.world.options.without, "that was asked for")
        if not self.world.disk.is_small:
            missing["full disk"] = "a small file system can be mounted by root alone"
        if self.world.clock_library is None:
            missing["clock"] = "there is no C compiler"
        return missing

    async def carry_out(self, plan, seconds):
        """Returns when all of them are over, and so many seconds."""
        missing = self.missing()
        for kind, why in missing.items():
            self.say(f"left out: {kind}, because {why}")
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as group:
            for fault in plan:
                if fault.kind in missing:
                    continue
                await asyncio.sleep(start + fault.at - loop.time())
                self.world.raise_failures()
                self.say(str(fault))
                self.counts[fault.kind] += 1
                group.create_task(self.actions[fault.kind](fault))
            await asyncio.sleep(start + seconds - loop.time())

    # Instances

    async def kill(self, fault):
        await self.end(fault, signal.SIGKILL)

    async def stop(self, fault):
        await self.end(fault, signal.SIGTERM)

    async def end(self, fault, number):
        instance = self.world.instances[fault.target]
        await instance.end(number)
        await asyncio.sleep(fault.lasts)
        await instance.start()

    async def pause(self, fault):
        instance = self.world.instances[fault.target]
        instance.pause()
        await asyncio.sleep(fault.lasts)
        instance.go_on()

    async def clock(self, fault):
        instance = self.world.instances[fault.target]
        instance.clock.set(fault.details[0])
        await asyncio.sleep(fault.lasts)
        instance.clock.set(0)

    # Links

    async def cut(self, fault):
        link = self.world.links[fault.target]
        link.is_refusing = True
        link.cut()
        await asyncio.sleep(fault.lasts)
        link.heal()

    async def cut_after(self, fault):
        """Should fewer messages come by, nothing happens."""
        link = self.world.links[fault.target]
        link.remaining, link.is_torn = fault.details[0], fault.details[1] == "torn"
        await asyncio.sleep(fault.lasts)
        link.heal()

    async def silence(self, fault):
        """What was held up arrives in the end, or is lost with its connection."""
        link = self.world.links[fault.target]
        direction, end = fault.details
        link.flows[direction].clear()
        await asyncio.sleep(fault.lasts)
        if end == "ends":
            link.cut()
        link.heal()

    async def delay(self, fault):
        link = self.world.links[fault.target]
        link.latency = fault.details[0]
        await asyncio.sleep(fault.lasts)
        link.heal()

    # Servers

    async def restart_database(self, fault):
        await self.world.database.end(fault.details[0])
        await asyncio.sleep(fault.lasts)
        await self.world.database.start()

    async def read_only(self, fault):
        await self.world.database.set_read_only(True)
        await asyncio.sleep(fault.lasts)
        await self.world.database.set_read_only(False)

    async def full_disk(self, fault):
        """PostgreSQL may refuse what is written, or end."""
        self.world.disk.fill()
        await asyncio.sleep(fault.lasts)
        self.world.disk.free()
        await self.world.database.start()

    async def restart_broker(self, fault):
        await self.world.broker.end()
        await asyncio.sleep(fault.lasts)
        await self.world.broker.start()

    async def receiver_down(self, fault):
        receiver = self.world.receivers[fault.target]
        receiver.down()
        await asyncio.sleep(fault.lasts)
        await receiver.up()

    async def receiver_hangs(self, fault):
        receiver = self.world.receivers[fault.target]
        receiver.hang()
        await asyncio.sleep(fault.lasts)
        receiver.wake()
