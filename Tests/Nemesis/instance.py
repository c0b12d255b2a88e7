"""An instance of Hookline, with a clock of its own, that is started again whenever it ends."""

import asyncio
import http.client
import json
import os
import signal
import urllib.error
import urllib.request

from processes import Failure, Process, complete, free_port

SETTINGS = {
    "HTTP_HOST": "127.0.0.1",
    "MQTT_HOST": "127.0.0.1",
    "MQTT_SHARED_GROUP": "nemesis",
    "MQTT_RESTART_PATIENCE": "5s",
    "AUTH_JWT_SECRET": "a secret of the nemesis, of 32 bytes or more",
    "SECRETS_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8",
    "DELIVERY_LEASE": "5s",
    "DELIVERY_FIRST_BYTE_TIMEOUT": "2s",
    "DELIVERY_TIMEOUT": "3s",
    "DELIVERY_GRACE": "3s",
}


class Instance:
    def __init__(self, name, binary, folder, clock, database_url, mqtt_port, say):
        self.name = name
        self.binary = binary
        self.port = free_port()
        self.say = say
        self.settings = {
            **SETTINGS,
            "POSTGRES_URL": database_url,
            "MQTT_PORT": str(mqtt_port),
            "HTTP_PORT": str(self.port),
            "MQTT_CLIENT_ID": name,
        }
        self.clock = clock
        environment = {**os.environ, **self.settings, **clock.environment()}
        self.process = Process(name, [binary, "serve"], folder / f"{name}.log", env=environment)
        self.is_wanted = False
        self.starting = asyncio.Lock()
        # Signals that ended it and were not ours.
        self.crashes = []
        self.token = None

    # Its process

    async def start(self):
        self.is_wanted = True
        async with self.starting:
            if not self.process.is_running:
                await self.process.start()

    async def end(self, number):
        """Returns the exit code, or None if it had to be killed in the end."""
        self.is_wanted = False
        return await self.process.end(number)

    def pause(self):
        self.process.send(signal.SIGSTOP)

    def go_on(self):
        self.process.send(signal.SIGCONT)

    async def keep_running(self):
        """As what runs services does: it is started again a second after it has ended."""
        while True:
            await asyncio.sleep(0.2)
            if self.is_wanted and not self.process.is_running and not self.starting.locked():
                code = self.process.child.returncode
                self.say(f"{self.name} has ended by itself with {code}")
                if code < 0:
                    self.crashes.append(signal.Signals(-code).name)
                await asyncio.sleep(1)
                if self.is_wanted:
                    await self.start()

    async def command(self, *arguments, **settings):
        return await complete([self.binary, *arguments], env={**os.environ, **self.settings, **settings})

    # Its API

    async def call(self, method, path, body=None):
        return await asyncio.to_thread(self.request, method, path, body)

    def request(self, method, path, body):
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} {path} answers {error.code}: {error.read().decode()[:300]}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{method} {path}: {error}") from error

    async def create(self, path, body):
        """Makes one object, and answers it."""
        made = json.loads(await self.call("POST", path, [body]))
        return (made if isinstance(made, list) else next(iter(made.values())))[0]

    async def is_ready(self):
        try:
            await self.call("GET", "/ready")
            return True
        except Failure:
            return False

    async def metric(self, name):
        lines = (await self.call("GET", "/metrics")).decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.split()[:1] == [name]), None)
