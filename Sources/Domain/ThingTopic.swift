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
        let bytes = topic.utf8
        guard bytes.starts(with: "things/".utf8) else { throw .notAThings }
        let idStart = bytes.index(bytes.startIndex, offsetBy: 7)
        guard let idEnd = bytes[idStart...].firstIndex(of: UInt8(ascii: "/")) else { throw .notAThings }
        let rest = bytes[bytes.index(after: idEnd)...]
        guard rest.starts(with: "messages".utf8) else { throw .notAThings }
        let tail = rest.dropFirst(8)
        guard tail.isEmpty || tail.first == UInt8(ascii: "/") else { throw .notAThings }
        guard let thing = EntityID(bytes[idStart..<idEnd]) else { throw .badThingID }
        let subtopic = tail.dropFirst()
        // Control characters cannot stand in a header; MQTT itself only warns against them.
        guard subtopic.count <= Self.longestSubtopic, subtopic.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .badSubtopic
        }
        self.thing = thing
        self.subtopic = String(Substring(subtopic))
    }
}
