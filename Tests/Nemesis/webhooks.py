"""The webhooks of a run, what each wants, and the receivers they call."""

from collections.abc import Callable
from dataclasses import dataclass, field

THINGS = 50
GROUPS = ("odd", "even")
# Of messages, by turns.
SUBTOPICS = ("a", "b", "c", "d")

# How often they answer 500, and how long they take.
RECEIVERS = {"steady": (0, 0), "flaky": (0.1, 0), "slow": (0, 0.1), "shaky": (0.02, 0), "hanging": (0.02, 0)}

PATIENT = {"retry_schedule": [1, 1, 2, 3], "max_attempts": 1_000, "failure_limit": 0}
# Gives up now and then.
HASTY = {"retry_schedule": [1], "max_attempts": 2, "failure_limit": 0}
ORDERED = {"ordering": "thing", "trigger": {"subtopics": ["a", "b"]}}


@dataclass(frozen=True)
class Webhook:
    name: str
    group: str
    receiver: str
    fields: dict = field(default_factory=dict)
    # Whether it wants a thing's message of that number.
    wants: Callable = lambda number: True

    @property
    def is_ordered(self):
        return self.fields.get("ordering") == "thing"

    @property
    def most_together(self):
        return self.fields.get("batch", {}).get("max_items", 1)


def in_first_two(number):
    return subtopic_of(number) in ("a", "b")


WEBHOOKS = [
    Webhook("plain", "odd", "steady", PATIENT),
    Webhook("ordered", "odd", "shaky", {**PATIENT, **ORDERED}, in_first_two),
    Webhook("batched", "odd", "hanging", {**PATIENT, "batch": {"max_items": 50, "max_wait_ms": 300}}),
    Webhook("hasty", "odd", "flaky", HASTY),
    Webhook("kept", "even", "shaky", PATIENT),
    Webhook(
        "template",
        "even",
        "hanging",
        {**PATIENT, "method": "PUT", "body": '{"t":{payload.t},"n":{payload.n},"of":"{thing_name}"}'},
    ),
    Webhook("ordered-hasty", "even", "flaky", {**HASTY, **ORDERED}, in_first_two),
    Webhook(
        "slow", "even", "slow", {**PATIENT, "trigger": {"subtopics": ["d"]}}, lambda number: subtopic_of(number) == "d"
    ),
    Webhook(
        "conditional",
        "even",
        "flaky",
        {**PATIENT, "conditions": {"match": "all", "rules": [{"path": "tens", "operator": "lt", "value": 5}]}},
        lambda number: number % 10 < 5,
    ),
]
BY_NAME = {webhook.name: webhook for webhook in WEBHOOKS}


def group_of(thing):
    return GROUPS[thing % 2 == 0]


def subtopic_of(number):
    return SUBTOPICS[number % len(SUBTOPICS)]


def payload_of(message):
    thing, number = message
    return b'{"t":%d,"n":%d,"tens":%d,"padding":"%s"}' % (thing, number, number % 10, b"x" * 40)


def who_wants(message):
    thing, number = message
    return [webhook.name for webhook in WEBHOOKS if webhook.group == group_of(thing) and webhook.wants(number)]
