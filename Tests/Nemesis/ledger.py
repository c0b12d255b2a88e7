"""What was sent, what the broker handed to whom, and what receivers saw. A message is a pair: its thing's number and its own."""

from collections import Counter, defaultdict

from webhooks import BY_NAME, who_wants


class Journal:
    """What one webhook's receiver saw."""

    def __init__(self):
        # When each message was first accepted: its place among all answers of the run.
        self.first = {}
        self.times = Counter()
        # Message by delivery id, of requests with one message that were accepted.
        self.accepted_ids = {}
        # Of strict order, by message: when it came, under which id, and whether it was accepted.
        self.history = defaultdict(list)
        self.requests = 0
        self.accepted_requests = 0


class Ledger:
    def __init__(self, seconds=lambda: 0):
        """seconds is the time of the run."""
        self.seconds = seconds
        self.sent = set()
        # Pairs of webhook and message that the broker has acknowledged and no receiver accepted.
        self.open = set()
        self.journals = defaultdict(Journal)
        # By client id: the messages that the broker handed to it, in this order, and when it did so first.
        self.handed = defaultdict(dict)
        # Delivery ids that came with two different messages.
        self.mistaken_ids = set()
        self.message_of_id = {}
        self.answers = 0

    def acknowledged(self, message):
        if message not in self.sent:
            self.sent.add(message)
            self.open |= {(name, message) for name in who_wants(message) if message not in self.journals[name].first}

    def handed_over(self, client, messages):
        for message in messages:
            self.handed[client].setdefault(message, round(self.seconds(), 2))

    def answered(self, name, delivery_id, messages, is_accepted):
        """A receiver is about to answer a request."""
        journal = self.journals[name]
        journal.requests += 1
        self.answers += 1
        if self.message_of_id.setdefault(delivery_id, messages) != messages:
            self.mistaken_ids.add(delivery_id)
        if BY_NAME[name].is_ordered:
            journal.history[messages[0]].append((round(self.seconds(), 2), delivery_id.decode(), is_accepted))
        if not is_accepted:
            return
        journal.accepted_requests += 1
        if BY_NAME[name].most_together == 1:
            journal.accepted_ids[delivery_id] = messages[0]
        for message in messages:
            journal.first.setdefault(message, self.answers)
            journal.times[message] += 1
            self.open.discard((name, message))

    @property
    def delivered(self):
        return sum(len(journal.first) for journal in self.journals.values())

    @property
    def twice(self):
        return sum(1 for journal in self.journals.values() for times in journal.times.values() if times > 1)
