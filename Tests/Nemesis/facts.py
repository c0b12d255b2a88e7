"""What is in the database after a run, as far as it says whether all is well."""

import json
from dataclasses import dataclass

from packets import messages_in
from webhooks import WEBHOOKS

# What is not done: one row per delivery of both kinds of rows.
UNFINISHED = """
    SELECT webhook_key, message_id, leased_by, greatest(due_at, blocked_until) AS due_at FROM deliveries
    WHERE failed_at IS NULL
    UNION ALL
    SELECT webhook_key, remaining_messages(message_ids, done), leased_by, due_at FROM delivery_batches"""

# The time of receipt in an id of a message: see MessageID.swift.
RECEIVED_AT = "to_timestamp(((id >> 22) + 1704067200000) / 1000.0)"

ORPHANS = f"""
    SELECT id FROM transient_messages WHERE {RECEIVED_AT} < now() - interval '12 minutes'
    AND id NOT IN (SELECT message_id FROM deliveries)
    AND id NOT IN (SELECT remaining_messages(message_ids, done) FROM delivery_batches)"""


@dataclass
class Counts:
    """Of one webhook."""

    attempts: int
    succeeded: int
    failed: int
    # Requests in the log, and those by the hour that succeeded.
    logged: int
    in_stats: int
    # Attempts of those that were given up.
    of_given_up: int


class Facts:
    def __init__(self, world):
        self.world = world
        self.query = world.database.query

    async def unfinished(self):
        """How many deliveries are neither done nor given up."""
        return int((await self.query(f"SELECT count(*) FROM ({UNFINISHED}) AS u"))[0][0])

    async def unfinished_pairs(self):
        return self.pairs(await self.with_payloads(f"({UNFINISHED})"))

    async def failed_pairs(self):
        rows = await self.with_payloads("(SELECT * FROM deliveries WHERE failed_at IS NOT NULL)")
        return self.pairs(rows)

    async def with_payloads(self, rows):
        return await self.query(
            f"""SELECT w.name, coalesce(convert_from(coalesce(t.payload, m.payload), 'UTF8'), '')
            FROM {rows} AS d JOIN webhooks AS w ON w.key = d.webhook_key
            LEFT JOIN transient_messages AS t ON t.id = d.message_id LEFT JOIN messages AS m ON m.id = d.message_id"""
        )

    @staticmethod
    def pairs(rows):
        return {(name, message) for name, payload in rows for message in messages_in(payload.encode())}

    async def failed_totals(self):
        """By webhook: how many failed deliveries there are by the table, and by the API."""
        rows = await self.query(
            """SELECT w.name, count(d.message_id) FROM webhooks AS w
            LEFT JOIN deliveries AS d ON d.webhook_key = w.key AND d.failed_at IS NOT NULL GROUP BY w.name"""
        )
        instance = next(iter(self.world.instances.values()))
        totals = {}
        for name, count in rows:
            path = f"/webhooks/{self.world.webhook_ids[name]}/deliveries?status=failed&limit=1"
            totals[name] = (int(count), json.loads(await instance.call("GET", path))["total"])
        return totals

    async def sessions(self):
        """The client ids of sessions that live, and of those that are over and still there."""
        rows = await self.query("SELECT client_id, stopped_at IS NULL AND expires_at >= now() FROM sessions")
        return sorted(name for name, lives in rows if lives == "t"), sorted(
            name for name, lives in rows if lives == "f"
        )

    async def abandoned(self):
        return [name for (name,) in await self.query("SELECT client_id FROM abandoned_clients")]

    async def orphans(self):
        """Payloads that nobody needs, and that should have been swept up."""
        return [int(number) for (number,) in await self.query(ORPHANS)]

    async def counts(self):
        rows = await self.query(
            """SELECT name, coalesce(c.attempts, 0), coalesce(c.succeeded, 0), coalesce(c.failed, 0),
                (SELECT count(*) FROM attempts AS a WHERE a.webhook_key = w.key)
                    + (SELECT coalesce(sum(b.attempts), 0) FROM attempt_batches AS b WHERE b.webhook_key = w.key),
                (SELECT coalesce(sum(s.succeeded), 0) FROM webhook_stats AS s
                    WHERE s.webhook_key = w.key AND s.period = 'h'),
                (SELECT coalesce(sum(d.attempts), 0) FROM deliveries AS d
                    WHERE d.webhook_key = w.key AND d.failed_at IS NOT NULL)
            FROM webhooks AS w LEFT JOIN webhook_counters AS c ON c.webhook_key = w.key"""
        )
        found = {row[0]: Counts(*map(int, row[1:])) for row in rows}
        return {webhook.name: found[webhook.name] for webhook in WEBHOOKS}

    async def write(self, path):
        """What is of interest when something is wrong: what is unfinished, the sessions, and who is abandoned."""
        parts = {
            "unfinished": f"""SELECT w.name, u.message_id, u.leased_by, u.due_at FROM ({UNFINISHED}) AS u
                JOIN webhooks AS w ON w.key = u.webhook_key ORDER BY 1, 2 LIMIT 5000""",
            "sessions": "SELECT * FROM sessions",
            "abandoned clients": "SELECT * FROM abandoned_clients",
            "counters": "SELECT w.name, c.* FROM webhook_counters AS c JOIN webhooks AS w ON w.key = c.webhook_key",
        }
        lines = [f"at {(await self.query('SELECT now()'))[0][0]}"]
        for title, statement in parts.items():
            lines += ["", f"# {title}", *("\t".join(row) for row in await self.query(statement))]
        path.write_text("\n".join(lines) + "\n")
