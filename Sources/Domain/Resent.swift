/// Which resend a delivery is of, in the four bytes that a ``Delivery`` has to spare.
package struct Resent: Hashable, Sendable {
    /// As it is stored: the resend's number, below zero if its requests have ids of their own.
    package let code: Int32

    /// nil for 0, which is no number.
    package init?(code: Int32) {
        guard code != 0 else { return nil }
        self.code = code
    }

    package init?(number: Int32, hasOwnIDs: Bool) {
        self.init(code: hasOwnIDs ? 0 &- number : number)
    }

    package var number: UInt32 { self.code.magnitude }
    package var hasOwnIDs: Bool { self.code < 0 }

    /// What makes an id that was sent before another one. `DeliveryID` reads past it.
    fileprivate var suffix: String { self.hasOwnIDs ? "_\(String(self.number, radix: 36))" : "" }
}

extension Delivery {
    /// The `webhook-id` of a request for it alone.
    package var sentID: String {
        guard let resent, resent.hasOwnIDs else { return self.id.text }
        return self.id.text + resent.suffix
    }

    /// The `webhook-id` of a request for several that go out together.
    ///
    /// - Parameter messages: all of them, this one among them.
    package func sentID(with messages: [MessageID]) -> String {
        BundleID.text(self.webhook.key, messages) + (self.resent?.suffix ?? "")
    }
}
