/// One message as the broker handed it over.
package struct ReceivedMessage: Sendable {
    package let topic: String
    package let payload: [UInt8]
    /// The user property `traceparent` of the publish (W3C Trace Context), if it had one.
    package let traceparent: String?
}

/// Messages that are read but not acknowledged.
///
/// They are acknowledged together by the next ``Session/acknowledgeAndReceive(upTo:bytes:within:)``. If the process or
/// the connection ends before that, the broker sends them again.
package struct Batch: Sendable {
    package internal(set) var messages: [ReceivedMessage] = []
    /// The sum of the payloads' sizes.
    package internal(set) var payloadBytes = 0
}
