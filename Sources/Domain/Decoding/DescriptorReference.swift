internal import Crypto
internal import Synchronization
internal import Values

/// A descriptor set, by its digest. What is made of it is made once and shared by all profiles and messages that name it, for as long as
/// one of them does; a message that is read back may name one that nobody has read yet.
package final class DescriptorReference: Sendable {
    /// SHA-256 of its bytes, as hex.
    package let digest: String
    private let state = Mutex(State.missing)

    private enum State {
        case missing
        case unreadable
        case read(DescribedTypes)
    }

    private struct Weak {
        weak var reference: DescriptorReference?
    }

    private struct Known {
        var references: [String: Weak] = [:]
        /// Above it those that nobody names any more are taken out.
        var most = 64
    }

    private static let known = Mutex(Known())

    private init(_ digest: String) {
        self.digest = digest
    }

    package static func digest(of bytes: [UInt8]) -> String { Hex.encode(SHA256.hash(data: bytes)) }

    /// - Parameter digest: of whatever set.
    package static func of(_ digest: String) -> DescriptorReference {
        Self.known.withLock { known in
            if let reference = known.references[digest]?.reference { return reference }
            let reference = DescriptorReference(digest)
            known.references[digest] = Weak(reference: reference)
            if known.references.count > known.most {
                known.references = known.references.filter { $0.value.reference != nil }
                known.most = max(64, known.references.count.multiplied(by: 2))
            }
            return reference
        }
    }

    /// Whether nobody has read it yet.
    package var isMissing: Bool {
        self.state.withLock { if case .missing = $0 { true } else { false } }
    }

    /// nil if it is missing, or cannot be read.
    var types: DescribedTypes? {
        self.state.withLock { if case .read(let types) = $0 { types } else { nil } }
    }

    func fill(with types: DescribedTypes) {
        self.state.withLock { $0 = .read(types) }
    }

    /// - Parameter bytes: the descriptor set of this digest.
    package func fill(with bytes: [UInt8]) {
        let state: State
        do throws(DecodingFault) { state = .read(try DescriptorSetReader.read(bytes)) } catch { state = .unreadable }
        self.state.withLock { $0 = state }
    }
}

/// What a descriptor set is, for who looks at it.
package struct DescriptorSet: Sendable {
    /// The set itself, in the wire format.
    package let bytes: [UInt8]
    /// The full names of the messages in it, sorted.
    package let types: [String]

    /// nil if this version cannot read it.
    package init?(_ bytes: [UInt8]) {
        do throws(DecodingFault) {
            let types = try DescriptorSetReader.read(bytes)
            self.types = types.messages.filter { !$0.isMapEntry }.map(\.name).sorted()
        } catch {
            return nil
        }
        self.bytes = bytes
    }

    /// What a profile's `decode` says of the descriptor set: itself in base64.
    ///
    /// - Parameter path: where `decode` stands.
    /// - Returns: nil where it is of another format, or names a set by its digest.
    package static func given(in decode: JSONValue, at path: String) throws(InvalidField) -> [UInt8]? {
        guard case .object(let fields) = decode, case .string(let text)? = fields["descriptors"],
            fields["format"] == .string(PayloadFormat.protobuf.rawValue)
        else { return nil }
        let field = "\(path).descriptors"
        guard text.utf8.count <= DescriptorSetReader.longest / 3 * 4 + 4, let bytes = Base64.decode(text) else {
            let largest = DescriptorSetReader.longest / 1024
            throw InvalidField(field, "must be base64 of a descriptor set of at most \(largest) KiB")
        }
        return bytes
    }

    /// How it stands in a profile's `decode` once it is kept apart.
    package static func reference(to bytes: [UInt8]) -> JSONValue {
        .object([
            "sha256": .string(DescriptorReference.digest(of: bytes)), "size": .integer(Int64(bytes.count)),
        ])
    }
}
