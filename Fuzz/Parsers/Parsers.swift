import Domain
import Values

/// What reads foreign bytes, by the name of its corpus. It must come to an end whatever it is given; where two readings of the
/// same must agree, they are compared.
nonisolated(unsafe) var chosen: ([UInt8]) -> Void = { _ in }

let parsers: [String: ([UInt8]) -> Void] = [
    "json": { bytes in
        guard let json = RawJSON(bytes) else { return }
        precondition(RawJSON(Array(json.compactText.utf8)) != nil, "what was read is JSON when it is written")
    },
    "topic": { bytes in _ = try? ThingTopic(String(decoding: bytes, as: UTF8.self)) },
    "template": { bytes in _ = try? Template(String(decoding: bytes, as: UTF8.self), kind: .json) },
    "schema": { bytes in
        guard let json = RawJSON(bytes) else { return }
        _ = try? JSONSchema(json)
        _ = JSONSchema.inferred(from: json)
    },
    "retry-after": { bytes in _ = RetryAfter.wait(String(decoding: bytes, as: UTF8.self), now: .first) },
    "url": { bytes in
        guard let url = try? WebhookURL(String(decoding: bytes, as: UTF8.self)) else { return }
        precondition(!url.requestTarget.isEmpty)
    },
    "instant": { bytes in _ = Instant(rfc3339: String(decoding: bytes, as: UTF8.self)) },
    "base64": { bytes in
        if let decoded = Base64.decode(String(decoding: bytes, as: UTF8.self)) {
            precondition(Base64.decode(Base64.encode(decoded)) == decoded)
        }
    },
]
