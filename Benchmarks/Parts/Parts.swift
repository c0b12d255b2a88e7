import Benchmark
import Delivery
import Domain
import NIOCore
import Postgres

// What a message goes through, part by part, without I/O. Where the machine counts instructions, they are the figure to
// compare: they hardly vary.

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.instructions, .wallClock, .throughput], scalingFactor: .kilo, maxDuration: .seconds(2))

    Benchmark("Topic: parse") { benchmark in
        let topic = "things/\(EntityID.random())/messages/room/temperature"
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(try? ThingTopic(topic)) }
    }

    Benchmark("Topic: find among 1,000 rules") { benchmark in
        let rules = (0..<1_000).compactMap { number in
            (try? TopicRule(.init(filter: "site/\(number)/+/{thing}/{subtopic:#}"))).map {
                TopicTable.Group.Numbered(rule: $0, number: Int32(number + 1))
            }
        }
        let table = TopicTable([EntityID.random(): .init(choice: .first, rules: rules)])
        let topics = (0..<1_000).map { "site/\($0)/room/thing-\($0)/state/temperature" }
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations {
            let number = (index * 7_919) % 1_000
            blackHole(table.find(topics[number], numbers: [Int32(number + 1)]))
        }
    }

    Benchmark("Topic: find where there are no rules") { benchmark in
        let table = TopicTable()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(table.find("site/1/room/thing-1/state/temperature")) }
    }

    Benchmark("Route: look up among 100,000 things") { benchmark in
        let parts = Parts()
        var routes = Routes()
        let profile = EntityID.random()
        routes.set(profile: profile, to: ProfileConfig(contentType: "application/json", write: false, webhook: true))
        routes.set(webhooksOf: parts.group, to: [parts.target])
        let things = (0..<100_000).map { _ in EntityID.random() }
        for thing in things { routes.set(thing: thing, to: Routes.Thing(group: parts.group, profile: profile)) }
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations { blackHole(routes.resolve(things[(index * 7_919) % things.count])) }
    }

    Benchmark("Template: a JSON body of three values, 256 bytes of payload") { benchmark in
        let parts = Parts()
        guard
            let template = try? Template(
                #"{"t":{payload.t},"of":"{thing_id}","at":{received_at}}"#, kind: .json)
        else { preconditionFailure("no template") }
        let padding = String(repeating: "x", count: 230)
        let message = parts.message(0, payload: Array(#"{"p":"\#(padding)","t":21.70}"#.utf8))
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(template.render(TemplateValues(message, org: nil))) }
    }

    Benchmark("Signature: 256 bytes") { benchmark in
        let parts = Parts()
        let (id, payload) = (parts.delivery.id.text, parts.message.payload)
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations {
            blackHole(parts.keys.header(id: id, timestamp: Int64(index), body: payload))
        }
    }

    Benchmark("Request: encode and sign, 256 bytes") { benchmark in
        let parts = Parts()
        var buffer = ByteBuffer()
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations {
            buffer.clear()
            buffer.writeRequest(of: parts.delivery, by: parts.requests, at: Int64(index))
            blackHole(buffer.readableBytes)
        }
    }

    Benchmark("Rows: encode a message's id, thing and payload") { benchmark in
        let parts = Parts()
        benchmark.startMeasurement()
        var ids = ArrayParameter(of: Int64.self, count: 1_000, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: 1_000)
        var payloads = ArrayParameter(of: Bytes.self, count: 1_000, bytesPerElement: 256)
        for index in benchmark.scaledIterations {
            ids.append(Int64(index))
            things.append(parts.message.thing)
            payloads.append(bytes: parts.message.payload)
        }
        blackHole((ids.parameter, things.parameter, payloads.parameter))
    }

    Benchmark("Batch: form of 1,000 deliveries and mark all done") { benchmark in
        let parts = Parts()
        let deliveries = (0..<1_000).map { number in
            Delivery(message: parts.message(number), webhook: parts.target, isLeased: true)
        }
        benchmark.startMeasurement()
        var batched = deliveries
        batched.formBatches()
        blackHole(batched[0].batch?.marks(adding: batched.lazy.map(\.message.id)).remaining)
    }
}

/// A delivery and what it is made of.
struct Parts {
    let group = EntityID.random()
    let thing = EntityID.random()
    let keys: SigningKeys
    let target: WebhookTarget
    let requests: WebhookRequests

    init() {
        var generator = SystemRandomNumberGenerator()
        self.keys = SigningKeys(current: .random(.hmac, using: &generator))
        guard let url = try? WebhookURL("https://example.com/hooks/telemetry") else { preconditionFailure("no url") }
        self.target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: self.group, version: 1, url: url,
            headers: [Header(name: "X-Api-Key", value: "as a receiver may want it")], signingKeys: self.keys)
        self.requests = WebhookRequests(self.target)
    }

    func message(_ number: Int, payload: [UInt8] = [UInt8](repeating: UInt8(ascii: "x"), count: 256)) -> Message {
        Message(
            id: MessageID(rawValue: 400_000_000_000_000_000 + Int64(number)), thing: self.thing, group: self.group,
            subtopic: "room/temperature", contentType: "application/json",
            payload: payload, traceparent: nil, isKept: false, receivedNanoseconds: nil)
    }

    var message: Message { self.message(0) }
    var delivery: Delivery { Delivery(message: self.message, webhook: self.target, isLeased: true) }
}
