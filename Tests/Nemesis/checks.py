"""What must hold after a run. Pure: from a ledger and what was found to what is wrong."""

from typing import NamedTuple

from webhooks import BY_NAME, WEBHOOKS


class Inversion(NamedTuple):
    """A message that the broker handed to the client before another, and that succeeded after it."""

    webhook: str
    client: str
    message: tuple
    overtaken_by: tuple


def lost(ledger, failed, unfinished):
    """Acknowledged and neither accepted by the receiver, nor given up, nor waiting."""
    return ledger.open - failed - unfinished


def inverted(ledger, failed):
    """Deliveries in strict order whose first success came after that of a later message of their thing.

    The order is that in which the broker handed the messages to one client id: a shared subscription spreads them over
    its members in no order. What came by way of two of them (published again after a restart of the broker) tells nothing.
    """
    clients = ledger.handed.items()
    found = []
    for webhook in filter(lambda webhook: webhook.is_ordered, WEBHOOKS):
        first = ledger.journals[webhook.name].first
        for client, handed in clients:
            # By thing: what was handed over later and succeeded first of all that.
            earliest = {}
            for message in reversed(handed):
                if message not in first or sum(message in other for _, other in clients) > 1:
                    continue
                other = earliest.setdefault(message[0], message)
                if first[message] <= first[other]:
                    earliest[message[0]] = message
                elif (webhook.name, message) not in failed:
                    found.append(Inversion(webhook.name, client, message, other))
    return found


def wrong_counts(ledger, others, counts):
    """Sentences about counters that do not add up.

    Results, counters and log are written in one transaction, so they agree whatever crashed. A success that was counted
    was an answer of the receiver's; and what it accepted is not done before it is counted.

    others are deliveries that were given up or are not done, although the receiver may have accepted them: who sent them
    has not heard of it.
    """
    for name, found in counts.items():
        journal = ledger.journals[name]
        if found.attempts != found.succeeded + found.failed:
            yield f"{name}: {found.attempts} attempts are not {found.succeeded} succeeded and {found.failed} failed"
        if found.attempts != found.logged:
            yield f"{name}: {found.attempts} attempts are counted, {found.logged} are in the log"
        if found.failed < found.of_given_up:
            yield f"{name}: {found.failed} failures are counted, what was given up had {found.of_given_up}"
        at_most = journal.accepted_requests
        at_least = fewest_successes(name, journal, others)
        if not at_least <= found.succeeded <= at_most:
            yield f"{name}: {found.succeeded} successes are counted, the receiver saw {at_least} to {at_most}"
        if found.in_stats > at_most:
            yield f"{name}: {found.in_stats} successes by the hour, the receiver saw {at_most}"


def fewest_successes(name, journal, others):
    """How many successes must be counted: one for each delivery that was accepted, or for each full batch."""
    together = BY_NAME[name].most_together
    if together > 1:
        return -(-sum((name, message) not in others for message in journal.first) // together)
    return sum((name, message) not in others for message in journal.accepted_ids.values())


def wrong_totals(totals):
    for name, (in_table, in_api) in totals.items():
        if in_table != in_api:
            yield f"{name}: {in_table} deliveries have failed, the API lists {in_api}"
