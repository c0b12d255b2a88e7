internal import CMosquitto
internal import Glibc
internal import Threads

/// What became of an attempt to read or to write.
enum Transfer<Value> {
    case done(Value)
    /// Nothing was done, and nothing can be before the connection is ready for this.
    case waits(Readiness)
    /// The connection is over.
    case ended(String)
}

/// Reading and writing past libmosquitto on the connection that it has made, with its TLS if it has one.
extension Client {
    /// What has come.
    func receive() -> Transfer<[UInt8]> {
        var transfer = Transfer<Int>.waits(.readable)
        // No record of TLS holds more than a quarter of that, so nothing is left where `poll` does not see it.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            transfer = unsafe self.receive(into: UnsafeMutableRawBufferPointer(buffer))
            if case .done(let received) = transfer { count = received }
        }
        switch transfer {
        case .done: return .done(bytes)
        case .waits(let readiness): return .waits(readiness)
        case .ended(let why): return .ended(why)
        }
    }

    @unsafe
    private func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer<Int> {
        guard let session = unsafe mosquitto_ssl_get(self.pointer) else {
            let count = unsafe recv(self.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            return Self.outcome(count, .readable)
        }
        return unsafe TLSLibrary.transfer(session) { library in
            unsafe library.read(session, buffer.baseAddress, Int32(clamping: buffer.count))
        }
    }

    /// - Returns: how many of the bytes were written. If none, it has to be tried again with the very same.
    func send(_ bytes: [UInt8]) -> Transfer<Int> {
        unsafe bytes.withUnsafeBytes { buffer -> Transfer<Int> in
            guard let session = unsafe mosquitto_ssl_get(self.pointer) else {
                let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
                return unsafe Self.outcome(
                    Glibc.send(self.descriptor, buffer.baseAddress, buffer.count, flags), .writable)
            }
            return unsafe TLSLibrary.transfer(session) { library in
                unsafe library.write(session, buffer.baseAddress, Int32(clamping: buffer.count))
            }
        }
    }

    private static func outcome(_ count: Int, _ readiness: Readiness) -> Transfer<Int> {
        if count > 0 { return .done(count) }
        if count < 0, [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) { return .waits(readiness) }
        return .ended(errorText(count < 0 ? MOSQ_ERR_ERRNO.rawValue : MOSQ_ERR_CONN_LOST.rawValue))
    }
}

/// Those functions of OpenSSL that libmosquitto itself speaks TLS by: found where it has them, because a session of one library is
/// none of another.
@safe
private struct TLSLibrary: Sendable {
    typealias Read = @convention(c) @Sendable (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int32) -> Int32
    typealias Write = @convention(c) @Sendable (UnsafeMutableRawPointer?, UnsafeRawPointer?, Int32) -> Int32
    typealias Failure = @convention(c) @Sendable (UnsafeMutableRawPointer?, Int32) -> Int32
    typealias Forget = @convention(c) @Sendable () -> Void

    let read: Read
    let write: Write
    private let failure: Failure
    private let forget: Forget

    private static let found: TLSLibrary? = TLSLibrary()

    private init?() {
        guard let library = unsafe dlopen("libmosquitto.so.1", RTLD_LAZY | RTLD_NOLOAD),
            let read = unsafe dlsym(library, "SSL_read"), let write = unsafe dlsym(library, "SSL_write"),
            let failure = unsafe dlsym(library, "SSL_get_error"), let forget = unsafe dlsym(library, "ERR_clear_error")
        else { return nil }
        unsafe self.read = unsafeBitCast(read, to: Read.self)
        unsafe self.write = unsafeBitCast(write, to: Write.self)
        unsafe self.failure = unsafeBitCast(failure, to: Failure.self)
        unsafe self.forget = unsafeBitCast(forget, to: Forget.self)
    }

    /// - Parameter session: libmosquitto's `SSL`.
    @unsafe
    static func transfer(
        _ session: UnsafeMutableRawPointer, _ call: (TLSLibrary) -> Int32
    ) -> Transfer<Int> {
        guard let library = Self.found else { return .ended("libmosquitto's TLS cannot be used by others") }
        // What failed before on this thread would be taken for this one's failure (SSL_get_error(3)).
        library.forget()
        let count = call(library)
        if count > 0 { return .done(Int(count)) }
        // Numbers of openssl/ssl.h: SSL_ERROR_WANT_READ, _WANT_WRITE and _ZERO_RETURN.
        switch unsafe library.failure(session, count) {
        case 2: return .waits(.readable)
        case 3: return .waits(.writable)
        case 6: return .ended(errorText(MOSQ_ERR_CONN_LOST.rawValue))
        default: return .ended(errorText(MOSQ_ERR_TLS.rawValue))
        }
    }
}
