import Domain
import Journal
import Registry
import Testing

@testable import Intake
@testable import MQTT

@Suite("What is kept of what a publish says of itself")
struct PublishedPropertiesTests {
    private static func received(
        _ thing: EntityID, qos: UInt8 = 1, _ change: ((inout PropertyReading) -> Void)? = nil
    ) -> ReceivedMessage {
        var reading = unsafe PropertyReading(nil)
        change?(&reading)
        return ReceivedMessage(
            topic: "things/\(thing)/messages", payload: Array("1".utf8), traceparent: reading.traceparent, qos: qos,
            properties: reading.properties)
    }

    /// A thing whose group has a webhook with this body.
    private static func routes(_ body: RequestSpec.Body?, _ profile: ProfileConfig) throws -> (Routes, EntityID) {
        var (routes, options) = (Routes(), WebhookOptions())
        let (thing, group, profileID) = (EntityID.random(), EntityID.random(), EntityID.random())
        options.request.body = body
        routes.set(profile: profileID, to: profile)
        routes.set(
            webhooksOf: group,
            to: [
                WebhookTarget(
                    key: WebhookKey(rawValue: 1), id: .random(), group: group, version: 1,
                    url: try WebhookURL("http://example.com/"), headers: [], options: options)
            ])
        routes.set(thing: thing, to: .init(group: group, profile: profileID))
        return (routes, thing)
    }

    private static func sort(_ messages: [ReceivedMessage], _ routes: Routes) -> SortedBatch {
        var batch = Batch()
        batch.messages = messages
        return BatchSorter(ids: MessageIDGenerator(slot: 0, now: { 0 }), largestPayload: 1_024)
            .sort(batch) { things in things.map { routes.resolve($0) } }
    }

    @Test("is all of it where a webhook asks or the message is kept, and otherwise for how long it is of use")
    func kept() throws {
        let cases: [(RequestSpec.Body?, Bool)] = [(.text("{mqtt.user.a}"), false), (nil, true), (nil, false)]
        for (body, write) in cases {
            let (routes, thing) = try Self.routes(body, ProfileConfig(write: write, webhook: true))
            let sorted = Self.sort(
                [
                    Self.received(thing, qos: 0), Self.received(thing) { $0.user = [("a", "b")] },
                    Self.received(thing) {
                        $0.user = [("a", "b")]
                        $0.expiry = 5
                        $0.leftOut = 2
                    },
                    Self.received(thing) {
                        $0.traceparent = "t"
                        $0.user = [("traceparent", "t")]
                    },
                ], routes)
            let topic = #""topic":"things/\#(thing)/messages","qos""#
            let asked = [
                #"{\#(topic):0,"retain":false}"#, #"{\#(topic):1,"retain":false,"user":{"a":"b"}}"#,
                #"{\#(topic):1,"retain":false,"expiry":5,"user":{"a":"b"},"left_out":2}"#,
                #"{\#(topic):1,"retain":false}"#,
            ]
            let expected: [String?] =
                if body != nil { asked } else if write { [nil, asked[1], asked[2], nil] } else {
                    [nil, nil, #"{"expiry":5}"#, nil]
                }
            #expect(sorted.messages.map { $0.properties?.text } == expected)
            #expect(sorted.leftOutProperties == (body != nil || write ? 2 : 0))
        }
    }

    @Test("says the type where the profile leaves it to that")
    func types() throws {
        let json = "application/json"
        for (takes, expected) in [(true, ["text/csv", json]), (false, [json, json])] {
            var profile = ProfileConfig(webhook: true)
            profile.takesPublishedType = takes
            let (routes, thing) = try Self.routes(nil, profile)
            let published = Self.received(thing) { $0.contentType = "text/csv" }
            let sorted = Self.sort([published, Self.received(thing)], routes)
            #expect(sorted.messages.map(\.contentType) == expected)
        }
    }
}
