/// Where a thing publishes: `things/<thing_id>/messages[/<subtopic…>]`.
package struct ThingTopic: Equatable, Sendable {
    package let thing: EntityID
    /// What comes after `messages/`, or empty.
    package let subtopic: String

    /// MQTT allows 65,535 bytes; a subtopic becomes a header value, where receivers allow about 8 KiB in all.
    package static let longestSubtopic = 1_024

    /// Why a topic is nobody's.
    package enum Refusal: String, Error, Sendable {
        case notAThings = "topic"
        case badThingID = "thing_id"
        case badSubtopic = "subtopic"
    }

    package init(_ topic: String) throws(Refusal) {
        var topic = topic
        // Bytes that lie side by side: going over text costs ten times as much, and every message has a topic.
        let read = topic.withUTF8 { bytes in Result { () throws(Refusal) in try Self.read(bytes) } }
        self = try read.get()
    }

    /// Where something can be published as the thing; nil if nothing can be published there (MQTT 5, section 4.7), or it would
    /// not be taken.
    package init?(of thing: EntityID, publishing subtopic: String) {
        let text = subtopic.isEmpty ? "" : "/\(subtopic)"
        guard !TopicText.hasWildcard(subtopic),
            case .success(let topic) = Result(catching: { () throws(Refusal) in
                try ThingTopic("things/\(thing)/messages\(text)")
            })
        else { return nil }
        self = topic
    }

    /// The topic.
    package var text: String { "things/\(self.thing)/messages\(self.subtopic.isEmpty ? "" : "/\(self.subtopic)")" }

    private init(thing: EntityID, subtopic: String) {
        self.thing = thing
        self.subtopic = subtopic
    }

    private static func read(_ topic: UnsafeBufferPointer<UInt8>) throws(Refusal) -> ThingTopic {
        guard let afterPrefix = topic[...].dropping("things/"),
            let idEnd = afterPrefix.firstIndex(of: UInt8(ascii: "/")),
            let tail = afterPrefix[(idEnd + 1)...].dropping("messages"),
            tail.isEmpty || tail.first == UInt8(ascii: "/")
        else { throw .notAThings }
        guard let thing = EntityID(afterPrefix[..<idEnd]) else { throw .badThingID }
        let subtopic = tail.dropFirst()
        // Control characters cannot stand in a header; MQTT itself only warns against them.
        guard subtopic.count <= Self.longestSubtopic, subtopic.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .badSubtopic
        }
        return ThingTopic(thing: thing, subtopic: String(decoding: subtopic, as: UTF8.self))
    }
}

extension Slice<UnsafeBufferPointer<UInt8>> {
    /// What comes after a prefix in ASCII; nil if it begins with something else.
    fileprivate func dropping(_ prefix: StaticString) -> Self? {
        guard self.count >= prefix.utf8CodeUnitCount else { return nil }
        for offset in 0..<prefix.utf8CodeUnitCount
        where self[self.startIndex + offset] != prefix.utf8Start[offset] {
            return nil
        }
        return self.dropFirst(prefix.utf8CodeUnitCount)
    }
}
