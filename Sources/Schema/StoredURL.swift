package import Domain

/// A url was checked before it was stored; one that no longer passes was stored by other hands, or by a newer version.
package enum StoredURL {
    package static func read(_ text: String, _ faults: inout [String]) -> WebhookURL {
        do throws(WebhookURL.Refusal) {
            return try WebhookURL(text)
        } catch {
            faults.append("its url \(error.reason)")
            return WebhookURL(unreadable: text)
        }
    }

    /// To be shown alone.
    package static func shown(_ text: String) -> WebhookURL {
        var faults: [String] = []
        return self.read(text, &faults)
    }
}
