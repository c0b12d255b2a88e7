internal import Domain
internal import HTTPTypes
internal import Registry
internal import Values

/// Tells who calls with a key. Each call looks the key up, so that one that has ended is refused from that moment on, wherever it
/// is used; only refusals are remembered, because they do not change.
struct KeyDoor: Sendable {
    typealias NoteUse = @Sendable (EntityID, Instant) -> Void

    let store: APIKeyStore
    let noteUse: NoteUse
    let wallClock: WallClock
    private let memory = KeyMemory()

    init(store: APIKeyStore, noteUse: @escaping NoteUse, wallClock: WallClock) {
        self.store = store
        self.noteUse = noteUse
        self.wallClock = wallClock
    }

    /// - Parameters:
    ///   - address: where the call comes from.
    ///   - limits: how often the keys of its maker may call.
    /// - Throws: 401 with what is wrong with the key, 429 if there were too many calls.
    func caller(with text: String, from address: String?, limits: CallLimits?) async throws -> Caller {
        guard let hash = APIKey(text)?.hash else {
            throw Self.refusal("this is no API key: one is hk_ and 64 digits, from 0 to 9 and a to f")
        }
        let known = try self.memory.admit(hash, from: address)
        if let known { try limits?.take(known) }
        guard let record = try await self.store.find(hash: hash) else {
            self.memory.refused(hash, with: Self.unknown)
            throw Self.unknown
        }
        guard case .good(let role) = record.standing else {
            let refusal = Self.refusal(Self.reason(record))
            if record.standing != .unreadable { self.memory.refused(hash, with: refusal) }
            throw refusal
        }
        let caller = Caller(record, role: role)
        self.memory.found(hash, of: caller.account, from: address, wasKnown: known != nil)
        if known == nil { try limits?.take(caller.account) }
        self.noteUse(record.id, self.wallClock.now)
        return caller
    }

    /// The same as it is by now, of a call that was let in.
    ///
    /// - Throws: 401 with what is wrong with the key.
    func caller(withKey id: EntityID) async throws -> Caller {
        guard let record = try await self.store.find(id) else { throw Self.unknown }
        guard case .good(let role) = record.standing else { throw Self.refusal(Self.reason(record)) }
        return Caller(record, role: role)
    }

    private static let unknown = Self.refusal("this API key is not known here")

    private static func reason(_ record: APIKeyRecord) -> String {
        let at = record.endedAt.map { " at \($0.text)" } ?? ""
        return switch record.standing {
        case .expired: "this API key expired at \(record.expiresAt.text)"
        case .revoked: "this API key was revoked\(at)"
        case .membershipEnded: "this API key ended with the membership of who made it\(at)"
        case .unreadable: "this version of Hookline cannot read this API key"
        case .ended, .good: "this API key has ended\(at)"
        }
    }

    private static func refusal(_ reason: String) -> APIError {
        // https://www.rfc-editor.org/rfc/rfc6750#section-3.1
        APIError(
            status: .unauthorized, message: reason, headers: [.wwwAuthenticate: #"Bearer error="invalid_token""#])
    }
}
