import Testing
import Values

@testable import Domain
@testable import Registry

@Suite("Routes")
struct RoutesTests {
    static func target(_ key: Int32, group: EntityID, version: Int64 = 1) throws -> WebhookTarget {
        WebhookTarget(
            key: WebhookKey(rawValue: key), id: .random(), group: group, version: version,
            url: try WebhookURL("http://example.com/\(key)"), headers: [])
    }

    @Test("lead from a thing by its profile to its group's webhooks")
    func resolve() throws {
        var routes = Routes()
        let (thing, group, on, off) = (EntityID.random(), EntityID.random(), EntityID.random(), EntityID.random())
        routes.set(profile: on, to: ProfileConfig(contentType: "text/plain", write: true, webhook: true))
        routes.set(profile: off, to: ProfileConfig(write: false, webhook: false))
        routes.set(webhooksOf: group, to: [try Self.target(1, group: group), try Self.target(2, group: group)])
        #expect(routes.resolve(thing) == nil)

        routes.set(thing: thing, to: .init(group: group, profile: on))
        let found = try #require(routes.resolve(thing))
        #expect(found.webhooks.map(\.key.rawValue) == [1, 2])
        #expect(found.profile.contentType == "text/plain")

        routes.set(thing: thing, to: .init(group: group, profile: off))
        #expect(routes.resolve(thing)?.webhooks.isEmpty == true)

        routes.set(thing: thing, to: nil)
        #expect(routes.resolve(thing) == nil)
    }

    @Test("keep a target that did not change, and replace one that did")
    func identity() throws {
        var routes = Routes()
        let group = EntityID.random()
        let (first, second) = (try Self.target(1, group: group), try Self.target(2, group: group))
        routes.set(webhooksOf: group, to: [first, second])
        routes.set(
            webhooksOf: group, to: [try Self.target(1, group: group), try Self.target(2, group: group, version: 2)])
        #expect(routes.webhook(WebhookKey(rawValue: 1)) === first)
        #expect(routes.webhook(WebhookKey(rawValue: 2)) !== second)
        routes.set(webhooksOf: group, to: [])
        #expect(routes.webhook(WebhookKey(rawValue: 1)) == nil)
    }

    @Test("can be replaced whole: what is gone is gone, what stayed is the same")
    func replace() throws {
        var routes = Routes()
        let (group, other) = (EntityID.random(), EntityID.random())
        let kept = try Self.target(1, group: group)
        routes.set(webhooksOf: group, to: [kept, try Self.target(2, group: group)])
        routes.set(webhooksOf: other, to: [try Self.target(3, group: other)])
        var fresh = Routes()
        fresh.set(webhooksOf: group, to: [try Self.target(1, group: group)])
        routes.replace(with: fresh)
        #expect(routes.webhook(WebhookKey(rawValue: 1)) === kept)
        #expect(routes.webhook(WebhookKey(rawValue: 2)) == nil)
        #expect(routes.webhook(WebhookKey(rawValue: 3)) == nil)
    }

    @Test("know whom a group counts for, and that all of its webhooks are concerned if that changes")
    func users() throws {
        var routes = Routes()
        let (group, other) = (EntityID.random(), EntityID.random())
        let targets = [try Self.target(1, group: group), try Self.target(2, group: group)]
        let elsewhere = try Self.target(3, group: other)
        func change(_ targets: [WebhookTarget], in group: EntityID, user: ExactText?) -> GroupWebhooks.Change {
            GroupWebhooks.Change(of: group, from: routes.groups[group], to: targets, user: user)
        }
        func keys(_ webhooks: [WebhookKey]) -> Set<Int32> { Set(webhooks.map(\.rawValue)) }
        for (targets, group) in [(targets, group), ([elsewhere], other)] {
            let first = change(targets, in: group, user: "a")
            #expect(keys(first.concerned) == keys(targets.map(\.key)))
            routes.apply(first)
        }
        #expect(routes.user(of: group) == "a" && routes.user(of: other) == "a" && routes.user(of: .random()) == nil)
        #expect(change(targets, in: group, user: "a").concerned.isEmpty)
        let former = routes.groups
        let moved = change(targets, in: group, user: "b")
        #expect(keys(moved.concerned) == [1, 2])
        routes.apply(moved)
        #expect(routes.user(of: group) == "b" && routes.webhook(WebhookKey(rawValue: 1)) === targets[0])
        #expect(keys(routes.webhooks(otherThanIn: former)) == [1, 2])
        #expect(routes.keeping(former).user(of: group) == "b")
        let without = change([targets[0]], in: group, user: nil)
        #expect(keys(without.concerned) == [1, 2])
        routes.apply(without)
        #expect(routes.user(of: group) == nil)
    }

    @Test("pass by webhooks that their owners have disabled, but not those that Hookline has")
    func disabled() throws {
        var routes = Routes()
        let (thing, group, profile) = (EntityID.random(), EntityID.random(), EntityID.random())
        routes.set(profile: profile, to: ProfileConfig(write: false, webhook: true))
        routes.set(thing: thing, to: .init(group: group, profile: profile))
        let statuses: [WebhookStatus] = [.enabled, .disabled, .disabledDueToErrors]
        let targets = try statuses.enumerated().map { index, status in
            WebhookTarget(
                key: WebhookKey(rawValue: Int32(index)), id: .random(), group: group, version: 1,
                url: try WebhookURL("http://example.com"), headers: [], status: status)
        }
        routes.set(webhooksOf: group, to: targets)
        #expect(routes.resolve(thing)?.webhooks.map(\.status) == [.enabled, .disabledDueToErrors])
        #expect(targets.map(\.isSentFromMemory) == [true, false, false])
        #expect(routes.webhook(WebhookKey(rawValue: 1)) === targets[1], "it is known all the same")
    }

    @Test("let messages wait for a webhook that cannot be read, and take it up when it can, changed or not")
    func unreadable() throws {
        var routes = Routes()
        let (thing, group, profile) = (EntityID.random(), EntityID.random(), EntityID.random())
        routes.set(profile: profile, to: ProfileConfig(webhook: true))
        routes.set(thing: thing, to: .init(group: group, profile: profile))
        func target(_ fault: String?) -> WebhookTarget {
            WebhookTarget(
                key: WebhookKey(rawValue: 1), id: .random(), group: group, version: 1, url: WebhookURL(unreadable: "?"),
                headers: [], status: fault == nil ? .enabled : .unreadable, fault: fault)
        }
        routes.set(webhooksOf: group, to: [target("its url")])
        #expect(routes.resolve(thing)?.webhooks.map(\.isSentFromMemory) == [false])
        #expect(routes.faultyWebhooks.count == 1)
        routes.set(webhooksOf: group, to: [target(nil)])
        #expect(routes.resolve(thing)?.webhooks.map(\.isSentFromMemory) == [true])
        #expect(routes.faultyWebhooks.isEmpty)
        routes.set(profile: profile, to: ProfileConfig(), fault: "write")
        #expect(routes.unreadableProfiles == [profile: "write"])
        routes.set(profile: profile, to: ProfileConfig())
        #expect(routes.unreadableProfiles.isEmpty)
    }

    @Test("ask payloads for the same paths until conditions change, and for no more places than a group may have")
    func conditionPaths() throws {
        var routes = Routes()
        let (thing, group, profile) = (EntityID.random(), EntityID.random(), EntityID.random())
        routes.set(profile: profile, to: ProfileConfig(webhook: true))
        routes.set(thing: thing, to: .init(group: group, profile: profile))
        func target(_ key: Int32, version: Int64, asking paths: [String]) throws -> WebhookTarget {
            var options = WebhookOptions()
            options.conditions = Conditions(rules: paths.map { .init(path: $0, operator: .exists) })
            return WebhookTarget(
                key: WebhookKey(rawValue: key), id: .random(), group: group, version: version,
                url: try WebhookURL("http://example.com"), headers: [], options: options)
        }
        func place(of paths: PathSet) -> UnsafePointer<PathSet.Node>? {
            paths.nodes.withUnsafeBufferPointer { $0.baseAddress }
        }
        routes.set(
            webhooksOf: group, to: [try target(1, version: 1, asking: ["a.b"]), try Self.target(2, group: group)])
        let first = try #require(routes.resolve(thing)).conditionPaths
        routes.set(
            webhooksOf: group,
            to: [try target(1, version: 2, asking: ["a.b"]), try Self.target(2, group: group, version: 2)])
        let second = try #require(routes.resolve(thing)).conditionPaths
        #expect(place(of: second) == place(of: first), "they are not worked out again")
        routes.set(webhooksOf: group, to: [try target(1, version: 3, asking: ["a.c"])])
        let third = try #require(routes.resolve(thing)).conditionPaths
        #expect(third.numbers.keys.map(\.description) == ["a.c"])

        let way = String(repeating: ".x", count: 15)
        routes.set(
            webhooksOf: group,
            to: try (1...30).map { webhook in
                try target(webhook, version: 4, asking: (0..<50).map { "p\(webhook)_\($0)\(way)" })
            })
        let most = try #require(routes.resolve(thing)).conditionPaths
        #expect((19_000...20_000).contains(most.nodes.count))
    }

    @Test("have a request head that is ready to send")
    func head() throws {
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("https://example.com:8443/in?x=1"),
            headers: [Header(name: "X-Api-Key", value: "k"), Header(name: "Content-Type", value: "a/b")])
        let requests = WebhookRequests(target)
        let head = String(decoding: requests.head, as: UTF8.self)
        #expect(
            head
                == "POST /in?x=1 HTTP/1.1\r\nhost: example.com:8443\r\nuser-agent: \(WebhookTarget.userAgent)\r\nx-hookline-group-id: \(target.group)\r\nX-Api-Key: k\r\nContent-Type: a/b\r\n"
        )
        #expect(requests.setsContentType)
    }
    @Test("know which topics are a thing's own by the rules of its group, and whether its webhooks ask for properties")
    func ownTopics() throws {
        var routes = Routes()
        let (thing, group, other) = (EntityID.random(), EntityID.random(), EntityID.random())
        routes.set(profile: group, to: ProfileConfig(webhook: true))
        routes.set(thing: thing, to: .init(group: group, profile: group, externalID: "plug"))
        let rule = try TopicRule(.init(filter: "tele/{thing}/STATE"))
        let rules = TopicTable.Group(
            choice: .first, rules: [.init(rule: rule, number: 1)], granted: [try #require(TopicFilter("tele/#"))])
        routes.set(topics: TopicTable([group: rules, other: rules]))
        #expect(routes.isOwn("tele/plug/reply", of: thing, in: group))
        #expect(!routes.isOwn("tele/\(thing)/reply", of: thing, in: group))
        #expect(!routes.isOwn("tele/plug/reply", of: thing, in: other))
        #expect(!routes.isOwn("tele/plug/reply", of: .random(), in: group))
        for (body, isAsked) in [("{payload}", false), ("{mqtt.qos}", true)] {
            var options = WebhookOptions()
            options.request.body = .text(body)
            let target = WebhookTarget(
                key: WebhookKey(rawValue: 1), id: .random(), group: group, version: isAsked ? 2 : 1,
                url: try WebhookURL("http://example.com"), headers: [], options: options)
            routes.set(webhooksOf: group, to: [target])
            #expect(routes.resolve(thing)?.needsProperties == isAsked)
        }
    }
}
