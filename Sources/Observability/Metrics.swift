internal import Synchronization

/// Why a message was acknowledged without going anywhere.
package enum RefusalReason: String, Sendable, CaseIterable {
    /// Not a topic of things' messages, and no rule is for it; or no text to MQTT.
    case topic
    /// The topic's thing id is no id.
    case thingID = "thing_id"
    /// Over-long, or with control characters.
    case subtopic
    /// No such thing.
    case unknownThing = "unknown_thing"
    /// Larger than the configured limit.
    case payloadTooLarge = "payload_too_large"
    /// The database does not take it, alone either.
    case storage
    /// A rule for its topic looks into the payload, and that is no JSON…
    case notJSON = "not_json"
    /// …or names no thing…
    case noThing = "no_thing"
    /// …or has not what it is to be split by, or too many parts.
    case notSplit = "not_split"
    /// No JSON can be made of it, and its thing's profile wants none of these, or a rule for its topic looks into it.
    case undecoded
}

/// Why an accepted message went to no webhook.
package enum UnforwardedReason: String, Sendable, CaseIterable {
    /// Its thing's profile sends none (`webhook: false`).
    case profile
    /// The group has no webhook that messages make fire.
    case noWebhook = "no_webhook"
    /// No filter and no condition of theirs let it through.
    case filtered
}

/// Why a message that meets a webhook's conditions is left out all the same.
package enum LeftOutReason: String, Sendable, CaseIterable {
    /// For newer ones, before the webhook's rate let it out (`rate_limit.overflow`).
    case rate
    /// For others of its thing (`rate_limit.per_thing`).
    case perThing = "per_thing"
    /// It says what the one before it said (`duplicates`).
    case duplicate
}

/// Why a property of a publish goes no further.
package enum LeftOutProperty: String, Sendable, CaseIterable {
    /// There are too many of them, or it is too long.
    case bounds
    /// It was to become a header, and is none, or there was no room for it.
    case header
}

/// Everything that is measured, by name. The hot path touches atomics alone; text is made when somebody asks.
package final class Metrics: Sendable {
    /// Messages read from the broker and committed, or known not to be wanted.
    package let accepted = Counter()
    /// Messages whose profile wants neither webhooks nor keeping, or whose group has no webhook.
    package let unrouted = Counter()
    /// Accepted messages that went to no webhook, whether they are kept or not.
    package let unforwarded = LabelledCounter(UnforwardedReason.allCases)
    package let refused = LabelledCounter(RefusalReason.allCases)
    /// Messages that no rule is for, by the first level of their topic.
    package let untakenTopics = BoundedCounter(most: 50)
    /// Messages that conditions asked for values and of which no JSON could be made, by their format.
    package let undecoded = BoundedCounter(most: 16)
    /// Messages that the broker sent once more for another subscription.
    package let repeated = Counter()
    /// Filters of rules that the broker does not let this instance subscribe to.
    package let refusedFilters = Gauge()
    /// Filters whose messages the broker sends with QoS 0, so that they can be lost.
    package let unacknowledgedFilters = Gauge()
    /// Things that were made on their first message.
    package let newThings = Counter()
    package let batches = Counter()
    package let commitTime = Histogram()
    /// Batches that were committed in parts, one at each node of the database.
    package let splitBatches = Counter()
    /// Times that it could not be asked which node has which group.
    package let failedNodeLookups = Counter()
    package let brokerConnections = Counter()
    package let brokerSessionsLost = Counter()
    package let isBrokerConnected = Gauge()

    package let delivered = Counter()
    /// Attempts that failed, by what went wrong.
    package let failedAttempts = LabelledCounter(Metrics.failureKinds)
    /// Deliveries whose last attempt failed.
    package let givenUp = Counter()
    package let attemptTime = Histogram()
    /// From the broker to the receiver's answer, for deliveries that went straight through.
    package let endToEndTime = Histogram()
    package let inMemory = Gauge()
    package let inFlight = Gauge()
    package let lanes = Gauge()
    package let waiting = Gauge()
    package let failedForGood = Gauge()
    package let openBreakers = Gauge()
    /// Deliveries that were not made because their messages did not meet the webhook's conditions.
    package let skipped = Counter()
    /// Those that are left out as their webhook's owners want.
    package let leftOut = LabelledCounter(LeftOutReason.allCases)
    /// Those that were skipped whose conditions were not evaluated, because that would have held up everybody's messages.
    package let tooCostly = Counter()
    /// Properties of publishes.
    package let leftOutProperties = LabelledCounter(LeftOutProperty.allCases)
    /// Answers of receivers that things were told, and those that were too many at a time.
    package let responses = Counter()
    package let droppedResponses = Counter()
    /// Events of sources that were put on the bus.
    package let sourceEvents = Counter()
    /// Things that happened, as far as webhooks wanted to know.
    package let events = Counter()
    /// Webhooks that were disabled because of their receivers.
    package let disabledWebhooks = Counter()

    /// Commands to things, by what became of them; those that nobody was subscribed for are told each time.
    package let commands = LabelledCounter([
        "accepted", "published", "unheard", "answered", "unanswered", "expired", "cancelled", "refused",
    ])
    /// Notices of channels: those that were given or given up, and tries that failed.
    package let notices = LabelledCounter(["given", "failed", "dropped"])
    /// Sign-ins that came back from the identity provider and did not succeed.
    package let failedSignIns = Counter()
    /// Tokens of callers that were not taken.
    package let refusedTokens = LabelledCounter(TokenRefusal.allCases)
    /// Calls of the API that were refused for who made them.
    package let refusedCalls = LabelledCounter(["unauthorized", "forbidden", "not_found"])

    package static let failureKinds = [
        "status", "dns", "nameserver", "address", "connect", "proxy", "tls", "timeout", "closed", "response", "oauth2",
        "answer", "cancelled",
    ]

    private let callbacks = Mutex<[(name: String, help: String, read: @Sendable () -> Int)]>([])

    private let families = Mutex<[@Sendable () -> [MetricFamily]]>([])

    package init() {}

    /// Adds a gauge of several values that a label tells apart, read when metrics are asked for.
    package func register(
        gauge name: String, help: String, label: String, _ read: @escaping @Sendable () -> [(String, Int)]
    ) {
        self.register {
            let samples = read().map { MetricFamily.Sample(Double($1), [$0]) }
            return [MetricFamily(.gauge, name, help, labels: [label], samples)]
        }
    }

    /// Adds metrics that are made out when they are asked for.
    package func register(_ read: @escaping @Sendable () -> [MetricFamily]) {
        self.families.withLock { $0.append(read) }
    }

    /// Adds a gauge that is read when metrics are asked for.
    package func register(gauge name: String, help: String, _ read: @escaping @Sendable () -> Int) {
        self.callbacks.withLock { $0.append((name, help, read)) }
    }

    /// The Prometheus text format, version 0.0.4.
    package func prometheusText() -> String {
        var text = PrometheusText()
        text.counter("hookline_messages_accepted_total", "Messages taken from the broker for good.", self.accepted)
        text.counter(
            "hookline_messages_unrouted_total", "Accepted messages that no webhook wants and that are not kept.",
            self.unrouted)
        text.counters(
            "hookline_messages_unforwarded_total", "Accepted messages that went to no webhook.", label: "reason",
            self.unforwarded, \.rawValue)
        text.counters(
            "hookline_messages_refused_total", "Messages that cannot be used.", label: "reason", self.refused,
            \.rawValue)
        text.counter(
            "hookline_messages_repeated_total", "Messages that came again by another subscription.", self.repeated)
        text.gauge(
            "hookline_topic_filters_refused", "Filters of topic rules that the broker does not allow.",
            self.refusedFilters.current)
        text.gauge(
            "hookline_filters_unacknowledged", "Filters that the broker grants QoS 0 alone: messages can be lost.",
            self.unacknowledgedFilters.current)
        text.counter("hookline_new_things_total", "Things made on their first message.", self.newThings)
        text.family(
            MetricFamily(
                .counter, "hookline_messages_untaken_total", "Messages that no topic rule is for.", labels: ["prefix"],
                self.untakenTopics.current.map { MetricFamily.Sample(Double($0.count), [$0.label]) }))
        text.family(
            MetricFamily(
                .counter, "hookline_messages_undecoded_total", "Messages that conditions could not look into.",
                labels: ["format"],
                self.undecoded.current.map { MetricFamily.Sample(Double($0.count), [$0.label]) }))
        text.counter("hookline_intake_batches_total", "Commits of messages.", self.batches)
        text.histogram("hookline_intake_commit_seconds", "How long a commit of a batch takes.", self.commitTime)
        text.counter(
            "hookline_intake_split_batches_total", "Batches committed in parts, one at each node of the database.",
            self.splitBatches)
        text.counter(
            "hookline_node_lookups_failed_total", "Times that it could not be asked which node has which group.",
            self.failedNodeLookups)
        text.counter("hookline_broker_connections_total", "Connections made to the broker.", self.brokerConnections)
        text.counter(
            "hookline_broker_sessions_lost_total",
            "Connections made to a broker that had forgotten the session, and what was published meanwhile.",
            self.brokerSessionsLost)
        text.gauge("hookline_broker_connected", "Whether the broker is connected.", self.isBrokerConnected.current)
        text.counter("hookline_deliveries_succeeded_total", "Deliveries that a receiver accepted.", self.delivered)
        text.counters(
            "hookline_attempts_failed_total", "Attempts that failed.", label: "kind", self.failedAttempts, \.self)
        text.counter(
            "hookline_deliveries_skipped_total", "Deliveries whose message did not meet the webhook's conditions.",
            self.skipped)
        text.counters(
            "hookline_deliveries_left_out_total", "Deliveries left out for other messages, as their webhook wants.",
            label: "reason", self.leftOut, \.rawValue)
        text.counter(
            "hookline_conditions_too_costly_total", "Deliveries skipped because their conditions cost too much.",
            self.tooCostly)
        text.counters(
            "hookline_properties_left_out_total", "Properties of publishes (MQTT 5) that went no further.",
            label: "reason", self.leftOutProperties, \.rawValue)
        text.counter("hookline_responses_total", "Receivers' answers that things were told.", self.responses)
        text.counter(
            "hookline_responses_dropped_total", "Answers that were too many to tell the thing.", self.droppedResponses)
        text.counter("hookline_source_events_total", "Events of sources put on the bus.", self.sourceEvents)
        text.counter("hookline_events_total", "Events that webhooks were fired by.", self.events)
        text.counter("hookline_deliveries_failed_total", "Deliveries given up after their last attempt.", self.givenUp)
        text.histogram("hookline_attempt_seconds", "How long an attempt takes.", self.attemptTime)
        text.histogram(
            "hookline_delivery_seconds", "From the broker to the receiver's answer, when sent at once.",
            self.endToEndTime)
        text.gauge("hookline_deliveries_in_memory", "Deliveries leased by this instance.", self.inMemory.current)
        text.gauge("hookline_attempts_in_flight", "Requests waiting for an answer.", self.inFlight.current)
        text.gauge("hookline_lanes", "Webhooks with a lane in this instance.", self.lanes.current)
        text.gauge(
            "hookline_breakers_open", "Webhooks that get one probe at a time.", self.openBreakers.current)
        text.counter(
            "hookline_webhooks_disabled_total", "Webhooks disabled because of their receivers.", self.disabledWebhooks)
        text.counters(
            "hookline_commands_total", "Commands to things, by what became of them.", label: "result", self.commands,
            \.self)
        text.counters(
            "hookline_notices_total", "Notices of channels, by what became of them.", label: "outcome", self.notices,
            \.self)
        text.counter(
            "hookline_sign_ins_failed_total", "Sign-ins at the identity provider that did not succeed.",
            self.failedSignIns)
        text.counters(
            "hookline_tokens_refused_total", "Tokens of callers that were not taken.", label: "reason",
            self.refusedTokens, \.rawValue)
        text.counters(
            "hookline_api_refused_total", "Calls of the API that were refused for who made them.", label: "reason",
            self.refusedCalls, \.self)
        text.gauge("hookline_deliveries_waiting", "Deliveries waiting in the database.", self.waiting.current)
        text.gauge(
            "hookline_deliveries_failed", "Deliveries given up and kept for a while.", self.failedForGood.current)
        for callback in self.callbacks.withLock({ $0 }) {
            text.gauge(callback.name, callback.help, Int64(callback.read()))
        }
        return self.families.withLock { $0 }.reduce(text.text) { text, read in
            read().reduce(text) { $0 + $1.text }
        }
    }
}

private struct PrometheusText {
    private(set) var text = ""

    mutating func counter(_ name: String, _ help: String, _ counter: Counter) {
        self.describe(name, help, "counter")
        self.text += "\(name) \(counter.current)\n"
    }

    mutating func counters<Label>(
        _ name: String, _ help: String, label: String, _ counters: LabelledCounter<Label>,
        _ text: (Label) -> String
    ) {
        self.describe(name, help, "counter")
        for (value, counter) in counters.counters {
            self.text += "\(name){\(label)=\"\(text(value))\"} \(counter.current)\n"
        }
    }

    mutating func family(_ family: MetricFamily) { self.text += family.text }

    mutating func gauge(_ name: String, _ help: String, _ value: Int64) {
        self.describe(name, help, "gauge")
        self.text += "\(name) \(value)\n"
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        self.describe(name, help, "histogram")
        let (cumulative, sum) = histogram.snapshot
        for (bound, count) in zip(Histogram.bounds, cumulative) {
            self.text += "\(name)_bucket{le=\"\(Double(bound) / 1_000_000)\"} \(count)\n"
        }
        let total = cumulative.last ?? 0
        self.text += "\(name)_bucket{le=\"+Inf\"} \(total)\n\(name)_sum \(sum)\n\(name)_count \(total)\n"
    }

    private mutating func describe(_ name: String, _ help: String, _ type: String) {
        self.text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }
}
