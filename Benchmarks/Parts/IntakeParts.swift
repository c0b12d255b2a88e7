internal import Domain
internal import Logging
internal import Postgres
internal import Queue
internal import Registry
internal import Schema
internal import Values

extension Part {
    static let intake = [
        Part(name: "topic", text: "a topic is read") {
            var numbers = Numbers()
            let topic = "things/\(EntityID(using: &numbers))/messages/room/temperature"
            return { for _ in 0..<$0 { use(try ThingTopic(topic)) } }
        },
        Part(name: "rule", text: "a topic is found among 1,000 topic rules") {
            var numbers = Numbers()
            let rules = try (0..<1_000).map { number in
                TopicTable.Group.Numbered(
                    rule: try TopicRule(.init(filter: "site/\(number)/+/{thing}/{subtopic:#}")),
                    number: Int32(number + 1))
            }
            let table = TopicTable([EntityID(using: &numbers): .init(choice: .first, rules: rules)])
            let topics = (0..<1_000).map { "site/\($0)/room/thing-\($0)/state/temperature" }
            return {
                for index in 0..<$0 {
                    let number = (index &* 7_919) % 1_000
                    use(table.find(topics[number], numbers: [Int32(number + 1)]))
                }
            }
        },
        Part(name: "route", text: "a thing is looked up among 100,000") {
            let (routes, things) = try Self.routes(100_000)
            return { for index in 0..<$0 { use(routes.resolve(things[(index &* 7_919) % things.count])) } }
        },
        Part(name: "conditions", text: "two conditions on a payload of 256 bytes") {
            let set = ConditionSet(
                Conditions(rules: [
                    Conditions.Rule(path: "payload.t", operator: .gt, value: "20"),
                    Conditions.Rule(path: "payload.missing", operator: .exists, value: "false"),
                ]))
            let paths = PathSet(set.paths)
            return {
                for _ in 0..<$0 {
                    var budget = EvaluationBudget(for: paths)
                    use(set.evaluate(PayloadIndex(Sample.json, paths: paths), budget: &budget))
                }
            }
        },
        Part(name: "commit-100", text: "a hundred messages are put into the statement that commits them") {
            let sample = try Sample()
            let store = IntakeStore(
                Database(pool: Pool(endpoint: try Endpoint(""), logger: Logger(label: "parts"))),
                session: SessionID(rawValue: 1))
            var deliveries = (0..<100).map { sample.delivery($0) }
            deliveries.formBatches()
            let commit = IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries)
            return {
                for _ in 0..<$0 { use(store.statement(of: commit, now: Instant(clampingSeconds: 1), isRepeat: false)) }
            }
        },
        Part(name: "commit-1", text: "one message is put into the statement that commits it") {
            let sample = try Sample()
            let store = IntakeStore(
                Database(pool: Pool(endpoint: try Endpoint(""), logger: Logger(label: "parts"))),
                session: SessionID(rawValue: 1))
            var deliveries = [sample.delivery(0)]
            deliveries.formBatches()
            let commit = IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries)
            return {
                for _ in 0..<$0 { use(store.statement(of: commit, now: Instant(clampingSeconds: 1), isRepeat: false)) }
            }
        },
    ]

    private static func routes(_ count: Int) throws -> (Routes, [EntityID]) {
        let sample = try Sample()
        var numbers = Numbers()
        var routes = Routes()
        let profile = EntityID(using: &numbers)
        routes.set(profile: profile, to: ProfileConfig(contentType: "application/json", write: false, webhook: true))
        routes.set(webhooksOf: sample.group, to: [sample.target])
        let things = (0..<count).map { _ in EntityID(using: &numbers) }
        for thing in things { routes.set(thing: thing, to: Routes.Thing(group: sample.group, profile: profile)) }
        return (routes, things)
    }
}
