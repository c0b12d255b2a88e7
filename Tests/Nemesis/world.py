"""Everything that a run needs: database, broker, two instances behind links of their own, receivers, webhooks and things."""

import asyncio
import functools
import pathlib
import random
import shutil
import signal
import tempfile

from clock import Clock, build_library
from instance import Instance
from ledger import Ledger
from link import Link
from packets import mqtt_end, postgres_end
from processes import Failure, until
from publisher import Publisher
from receivers import Receiver
from schedule import INSTANCES
from servers import Broker, Database, Disk
from webhooks import GROUPS, RECEIVERS, THINGS, WEBHOOKS, group_of


class World:
    def __init__(self, options, say, seconds):
        """options: seed, minutes, rate, binary, may_mount, without; say tells what happens, seconds the time of the run."""
        self.say = say
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nemesis_"))
        # PostgreSQL has an account of its own.
        self.folder.chmod(0o755)
        self.options = options
        self.ledger = Ledger(seconds)
        self.make_database()
        self.broker = Broker(self.folder)
        self.clock_library = build_library(self.folder)
        self.links, self.instances, self.receivers, self.tasks = {}, {}, {}, []
        self.webhook_ids = {}

    def make_database(self):
        self.disk = Disk(self.folder / "disk", 200 + int(40 * self.options.minutes), self.options.may_mount)
        self.database = Database(self.folder, self.disk)

    async def start(self):
        await self.database.prepare()
        await self.database.start()
        await self.broker.start()
        for name in INSTANCES:
            await self.add_instance(name)
        first = self.instances[INSTANCES[0]]
        await first.command("migrate", POSTGRES_URL=self.database.url())
        token = (await first.command("token", "--user", "nemesis", "--root", "--expires", "30d")).strip()
        for instance in self.instances.values():
            instance.token = token
            await instance.start()
            await until(f"{instance.name} to be ready", instance.is_ready, 60)
            self.keep(instance.keep_running())
        for name, (failing, takes) in RECEIVERS.items():
            self.receivers[name] = Receiver(name, self.ledger, self.chance(name), failing, takes)
            await self.receivers[name].up()
        things = await self.furnish(first)
        for instance in self.instances.values():
            await until(f"{instance.name} to know the webhooks", functools.partial(self.knows_webhooks, instance))
        self.publisher = Publisher(self.broker.port, things, self.options.rate, self.chance("load"), self.ledger)

    def chance(self, purpose):
        return random.Random(f"{self.options.seed} {purpose}")

    def keep(self, work):
        """Runs until the end; what goes wrong in it ends the run."""
        self.tasks.append(asyncio.create_task(work))

    async def add_instance(self, name):
        broker = await self.link(f"{name}-broker", self.broker.port, mqtt_end, self.ledger.handed_over)
        clock = Clock(self.clock_library, self.folder / f"{name}.clock")
        url = await self.way_to_database(name)
        self.instances[name] = Instance(name, self.options.binary, self.folder, clock, url, broker.port, self.say)

    async def way_to_database(self, name):
        """The url for an instance."""
        return self.database.url((await self.link(f"{name}-database", self.database.port, postgres_end)).port)

    async def link(self, *parts):
        link = Link(*parts)
        await link.open()
        self.links[link.name] = link
        return link

    async def furnish(self, instance):
        """Makes groups, things and webhooks, and answers the things' ids."""
        groups, profiles = {}, {}
        for name in GROUPS:
            groups[name] = (await instance.create("/groups", {"name": name}))["id"]
            # One group's messages are kept, the other's only until they are delivered.
            config = {"content_type": "application/json", "write": name == "even", "webhook": True}
            profile = {"name": "profile", "config": config}
            profiles[name] = (await instance.create(f"/groups/{groups[name]}/profiles", profile))["id"]
        for webhook in WEBHOOKS:
            url = f"http://127.0.0.1:{self.receivers[webhook.receiver].port}/{webhook.name}"
            body = {"name": webhook.name, "url": url, **webhook.fields}
            made = await instance.create(f"/groups/{groups[webhook.group]}/webhooks", body)
            self.webhook_ids[webhook.name] = made["id"]
        things = []
        for thing in range(THINGS):
            name = group_of(thing)
            body = {"name": f"thing {thing}", "profile_id": profiles[name]}
            things.append((await instance.create(f"/groups/{groups[name]}/things", body))["id"])
        return things

    async def knows_webhooks(self, instance):
        return await instance.metric("hookline_webhooks") == len(WEBHOOKS)

    async def heal(self):
        """Puts everything right, whatever was wrong."""
        self.disk.free()
        for link in self.links.values():
            link.heal()
        for receiver in self.receivers.values():
            receiver.wake()
        await self.database.start()
        await self.database.set_read_only(False)
        for instance in self.instances.values():
            instance.clock.set(0)
            instance.go_on()
            await instance.start()

    async def end_instances(self):
        """Returns what each of them ends with: 0 if all is well."""
        return {name: await instance.end(signal.SIGTERM) for name, instance in self.instances.items()}

    async def close(self, is_kept):
        """Ends all that was started."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for instance in self.instances.values():
            await instance.end(signal.SIGKILL)
        await self.broker.end()
        await self.end_database()
        if not is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def end_database(self):
        self.disk.free()
        await self.database.end("immediate")
        self.disk.unmount()

    def raise_failures(self):
        """Of what is kept running beside the run."""
        for task in self.tasks:
            if task.done() and not task.cancelled() and task.exception():
                raise Failure(f"a part of the nemesis failed: {task.exception()!r}") from task.exception()
