internal import Domain
internal import Registry

/// A delivery and what it is made of, the same in every run.
struct Sample {
    let group: EntityID
    let thing: EntityID
    let keys: SigningKeys
    let target: WebhookTarget
    let requests: WebhookRequests

    init() throws {
        var numbers = Numbers()
        self.group = EntityID(using: &numbers)
        self.thing = EntityID(using: &numbers)
        self.keys = SigningKeys(current: .random(.hmac, using: &numbers))
        self.target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: EntityID(using: &numbers), group: self.group, version: 1,
            url: try WebhookURL("https://example.com/hooks/telemetry"),
            headers: [Header(name: "X-Api-Key", value: "as a receiver may want it")], signingKeys: self.keys)
        self.requests = WebhookRequests(self.target)
    }

    func message(_ number: Int, thing: EntityID? = nil, payload: [UInt8]? = nil) -> Message {
        Message(
            id: MessageID(rawValue: 400_000_000_000_000_000 + Int64(number)), thing: thing ?? self.thing,
            group: self.group, subtopic: "room/temperature", contentType: "application/json",
            payload: payload ?? [UInt8](repeating: UInt8(ascii: "x"), count: 256), traceparent: nil, isKept: false,
            receivedNanoseconds: nil)
    }

    func delivery(_ number: Int, thing: EntityID? = nil) -> Delivery {
        Delivery(message: self.message(number, thing: thing), webhook: self.target, isLeased: true)
    }

    /// Of 256 bytes.
    static let json = Array(#"{"p":"\#(String(repeating: "x", count: 230))","t":21.70}"#.utf8)
}

/// What looks like chance and is the same in every run (splitmix64): what is counted is compared with the run before.
struct Numbers: RandomNumberGenerator {
    private var state: UInt64 = 1

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
