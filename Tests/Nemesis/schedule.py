"""What will go wrong, when and for how long: made of a seed alone, so that a run can be had again."""

import random
from dataclasses import dataclass

INSTANCES = ("h1", "h2")
LINKS = tuple(f"{instance}-{server}" for instance in INSTANCES for server in ("database", "broker"))
MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True)
class Kind:
    """A kind of fault. Two faults never have the same resource and target at a time; others may overlap."""

    resource: str
    targets: tuple
    # At least and at most, in seconds.
    lasts: tuple
    # One choice of each.
    details: tuple = ()
    # How often it is drawn, compared with the others.
    weight: int = 1


KINDS = {
    "kill": Kind("process", INSTANCES, (0.1, 3), weight=2),
    "stop": Kind("process", INSTANCES, (0.1, 3)),
    # Longer than the lease and than the patience with which an instance's return is waited for.
    "pause": Kind("process", INSTANCES, (7, 14)),
    "cut": Kind("link", LINKS, (0, 4)),
    "cut after": Kind("link", LINKS, (4, 8), ((1, 2, 3, 5, 8, 13, 30, 80), ("whole", "torn")), weight=3),
    "silence": Kind("link", LINKS, (3, 20), (("to server", "to client"), ("goes on", "ends")), weight=2),
    "delay": Kind("link", LINKS, (3, 10), ((0.05, 0.2, 0.5),)),
    "restart database": Kind("database", ("database",), (0, 4), (("fast", "immediate"),)),
    "read-only": Kind("database", ("database",), (2, 10)),
    "full disk": Kind("database", ("database",), (2, 8)),
    "restart broker": Kind("broker", ("broker",), (0, 4)),
    "clock": Kind(
        "clock",
        INSTANCES,
        (5, 20),
        (tuple(sign * step for step in (3 * MINUTE, 40 * MINUTE, 5 * HOUR, 2 * DAY) for sign in (1, -1)),),
        weight=2,
    ),
    "receiver down": Kind("receiver", ("shaky",), (3, 10)),
    "receiver hangs": Kind("receiver", ("hanging",), (3, 10)),
}


@dataclass(frozen=True)
class Fault:
    # Seconds after the start of the load.
    at: float
    kind: str
    target: str
    lasts: float
    details: tuple

    def __str__(self):
        return " ".join([f"{self.kind}: {self.target}", *map(str, self.details), f"for {self.lasts:.1f} s"])


def plan(seed, seconds):
    """The faults of a run, in the order of their beginnings; all are over when it is."""
    chance = random.Random(seed)
    faults, busy, bag = [], {}, []
    at = 2.0
    while at < seconds - 2:
        if not bag:
            bag = [kind for kind in KINDS for _ in range(KINDS[kind].weight)]
            chance.shuffle(bag)
        fault = draw(chance, bag.pop(), at, seconds)
        resource = (KINDS[fault.kind].resource, fault.target)
        if busy.get(resource, 0) <= at and fault.at + fault.lasts <= seconds:
            faults.append(fault)
            # Some time in which what was held up may go on.
            busy[resource] = at + fault.lasts + 2
        at += chance.uniform(0.3, 5)
    return faults


def draw(chance, kind, at, seconds):
    of = KINDS[kind]
    target = chance.choice(of.targets)
    lasts = min(chance.uniform(*of.lasts), max(of.lasts[0], seconds - at))
    return Fault(round(at, 1), kind, target, round(lasts, 1), tuple(chance.choice(choices) for choices in of.details))
