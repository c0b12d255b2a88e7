internal import CMosquitto
internal import Glibc
internal import Values

/// Owns a `struct mosquitto`. The inbox outlives it: the callbacks hold an unretained pointer.
@safe
struct Client: ~Copyable {
    private let raw: OpaquePointer
    private let inbox: Inbox
    @unsafe var pointer: OpaquePointer { unsafe self.raw }

    private static let library: Void = {
        mosquitto_lib_init()
    }()

    /// - Parameter raw: connected, and made by ``makeHandle(_:inbox:)`` with the same inbox.
    @unsafe
    init(_ raw: OpaquePointer, inbox: Inbox) {
        unsafe self.raw = raw
        self.inbox = inbox
        self.noticeSilence()
    }

    /// Whoever takes the handle has to destroy it.
    @unsafe
    static func makeHandle(_ configuration: Session.Configuration, inbox: Inbox) throws(MQTTError) -> OpaquePointer {
        _ = Self.library
        errno = 0
        guard
            let raw = unsafe mosquitto_new(
                configuration.clientID, configuration.isTransient, Unmanaged.passUnretained(inbox).toOpaque())
        else {
            if [ENOMEM, EMFILE, ENFILE].contains(errno) {
                throw MQTTError(kind: .connect, message: errorText(MOSQ_ERR_ERRNO.rawValue))
            }
            throw MQTTError(kind: .configuration, message: "libmosquitto does not take this client id")
        }
        do throws(MQTTError) { unsafe try Self.configure(raw, configuration) } catch {
            unsafe mosquitto_destroy(raw)
            throw error
        }
        unsafe Self.setCallbacks(raw)
        return unsafe raw
    }

    deinit {
        unsafe mosquitto_destroy(self.raw)
    }

    @unsafe
    private static func configure(
        _ raw: OpaquePointer, _ configuration: Session.Configuration
    ) throws(MQTTError) {
        // Before anything else: it keeps acknowledgements in the queue until loop_write.
        try Self.require(unsafe mosquitto_threaded_set(raw, true), "threaded mode")
        let version = configuration.isFormerVersion ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5
        let options = [
            (MOSQ_OPT_PROTOCOL_VERSION, version),
            (MOSQ_OPT_RECEIVE_MAXIMUM, Int32(clamping: configuration.receiveMaximum)), (MOSQ_OPT_TCP_NODELAY, 1),
        ]
        for (option, value) in options {
            try Self.require(unsafe mosquitto_int_option(raw, option, value), "option \(option.rawValue)")
        }
        if let username = configuration.username {
            try Self.require(
                unsafe mosquitto_username_pw_set(raw, username, configuration.password?.reveal()),
                "username and password")
        }
        if let file = configuration.tlsCAFile {
            let own = configuration.certificate
            let files = [file, own?.file, own?.keyFile].compactMap(\.self)
            for file in files { try Self.requireReadable(file) }
            try Self.require(
                unsafe mosquitto_tls_set(raw, file, nil, own?.file, own?.keyFile, nil),
                "the TLS files \(files.joined(separator: ", "))", kind: .connect)
        }
    }

    /// libmosquitto says no more than that an argument is wrong.
    private static func requireReadable(_ file: String) throws(MQTTError) {
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw MQTTError(
                kind: .connect, message: "the TLS file \(file) cannot be read: \(errorText(MOSQ_ERR_ERRNO.rawValue))")
        }
        _ = Glibc.close(descriptor)
    }

    /// - Parameter kind: of the error, unless there is no memory.
    private static func require(
        _ code: Int32, _ what: String, kind: MQTTError.Kind = .configuration
    ) throws(MQTTError) {
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw MQTTError(
                kind: code == MOSQ_ERR_NOMEM.rawValue ? .connect : kind,
                message: "libmosquitto does not take \(what): \(errorText(code))")
        }
    }

    /// A machine that is gone answers nothing, not even with a reset: the kernel asks for it, and gives up what it does
    /// not take (tcp(7)).
    private func noticeSilence() {
        for (level, option, value) in [
            (Int32(SOL_SOCKET), SO_KEEPALIVE, 1), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10),
            (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5), (Int32(IPPROTO_TCP), TCP_KEEPCNT, 2),
            (Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 20_000),
        ] {
            var value = Int32(value)
            _ = unsafe setsockopt(self.descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// `id` is what the acknowledgement will name.
    func publish(_ publication: Publication, qos: Int32, id: inout Int32) -> Int32 {
        var properties: OpaquePointer?
        defer { unsafe mosquitto_property_free_all(&properties) }
        if let code = unsafe publication.properties?.add(to: &properties), code != MOSQ_ERR_SUCCESS.rawValue {
            return code
        }
        return unsafe publication.payload.withUnsafeBytes { bytes in
            unsafe mosquitto_publish_v5(
                self.raw, &id, publication.topic, Int32(bytes.count), bytes.baseAddress, qos,
                publication.isRetained, properties)
        }
    }

    /// - Parameter forgetting: whether the broker is to forget the session at once.
    func sayGoodbye(forgetting: Bool) {
        var properties: OpaquePointer?
        defer { unsafe mosquitto_property_free_all(&properties) }
        if forgetting {
            unsafe mosquitto_property_add_int32(&properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), 0)
        }
        unsafe mosquitto_disconnect_v5(self.raw, 0, properties)
    }

    /// A second descriptor of the same connection, which outlives libmosquitto's; nil if there is no connection.
    func duplicateDescriptor() -> SpareDescriptor? {
        let copy = fcntl(self.descriptor, F_DUPFD_CLOEXEC, 0)
        return copy < 0 ? nil : SpareDescriptor(descriptor: copy)
    }

    var descriptor: Int32 { unsafe mosquitto_socket(self.raw) }

    /// While corked, the kernel gathers what is written into full segments (tcp(7)).
    func cork(_ isCorked: Bool) {
        var flag: Int32 = isCorked ? 1 : 0
        _ = unsafe setsockopt(
            self.descriptor, Int32(IPPROTO_TCP), TCP_CORK, &flag, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Tells the other side at once that what it sent has come (tcp(7), `TCP_QUICKACK`).
    func acknowledgeSegments() {
        var flag: Int32 = 1
        _ = unsafe setsockopt(
            self.descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &flag, socklen_t(MemoryLayout<Int32>.size))
    }

    var wantsToWrite: Bool { unsafe mosquitto_want_write(self.raw) }
    func loopRead() -> Int32 { unsafe mosquitto_loop_read(self.raw, 1) }
    func loopWrite() -> Int32 { unsafe mosquitto_loop_write(self.raw, 1) }
    func loopMisc() -> Int32 { unsafe mosquitto_loop_misc(self.raw) }
}

/// Keeps a connection open that libmosquitto has closed its own descriptor of.
struct SpareDescriptor {
    let descriptor: Int32

    /// Throws away what has come. False when the broker has closed the connection.
    func discardInput() -> Bool {
        unsafe withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { buffer in
            unsafe recv(self.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT)) > 0
        }
    }

    func close() {
        _ = Glibc.close(self.descriptor)
    }
}

/// libmosquitto's words for an error code; for `MOSQ_ERR_ERRNO` those of the C library.
func errorText(_ code: Int32) -> String {
    if code == MOSQ_ERR_ERRNO.rawValue { return unsafe String(cString: strerror(errno)) }
    return unsafe String(cString: mosquitto_strerror(code))
}
