internal import CMosquitto
internal import Glibc
internal import Logging

/// What libmosquitto's callbacks write to: owned by the session, touched on its thread alone, because callbacks run
/// inside `mosquitto_loop_read`.
final class Inbox {
    var batch = Batch()
    /// The answer to CONNECT, once it came.
    var connectCode: Int32?
    var topicFilters: [String] = []
    var subscriptionsConfirmed = 0
    var isSubscribed = false
    var subscribeRefusal: String?
    /// Publishes that the broker has answered, with its reason code; under 128 it has them.
    var published: [Int32: Int32] = [:]
    var unsubscriptionsConfirmed = 0
    var disconnectReason: String?
    let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    func reset() {
        self.batch = Batch()
        self.connectCode = nil
        self.subscriptionsConfirmed = 0
        self.isSubscribed = false
        self.subscribeRefusal = nil
        self.published = [:]
        self.unsubscriptionsConfirmed = 0
        self.disconnectReason = nil
    }

    func take() -> Batch {
        defer { self.batch = Batch() }
        return self.batch
    }
}

/// Owns a `struct mosquitto`. The inbox outlives it: the callbacks hold an unretained pointer.
@safe
struct Client: ~Copyable {
    private let raw: OpaquePointer
    private let inbox: Inbox

    private static let library: Void = {
        mosquitto_lib_init()
    }()

    private init(_ raw: OpaquePointer, inbox: Inbox) {
        unsafe self.raw = raw
        self.inbox = inbox
    }

    static func create(_ configuration: Session.Configuration, inbox: Inbox) throws(MQTTError) -> Client {
        _ = Self.library
        guard
            let raw = unsafe mosquitto_new(
                configuration.clientID, configuration.isTransient, Unmanaged.passUnretained(inbox).toOpaque())
        else {
            throw MQTTError(kind: .configuration, message: "libmosquitto does not take this client id")
        }
        let client = unsafe Client(raw, inbox: inbox)
        try client.configure(configuration)
        unsafe Self.setCallbacks(raw)
        return client
    }

    deinit {
        unsafe mosquitto_destroy(self.raw)
    }

    private func configure(_ configuration: Session.Configuration) throws(MQTTError) {
        // Before anything else: it keeps acknowledgements in the queue until loop_write.
        try self.require(unsafe mosquitto_threaded_set(self.raw, true), "threaded mode")
        try self.set(MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5)
        try self.set(MOSQ_OPT_RECEIVE_MAXIMUM, Int32(clamping: configuration.receiveMaximum))
        try self.set(MOSQ_OPT_TCP_NODELAY, 1)
        if let username = configuration.username {
            try self.require(
                unsafe mosquitto_username_pw_set(self.raw, username, configuration.password), "username and password")
        }
        if let file = configuration.tlsCAFile {
            try self.require(unsafe mosquitto_tls_set(self.raw, file, nil, nil, nil, nil), "the CA file \(file)")
        }
    }

    private func set(_ option: mosq_opt_t, _ value: Int32) throws(MQTTError) {
        try self.require(unsafe mosquitto_int_option(self.raw, option, value), "option \(option.rawValue)")
    }

    private func require(_ code: Int32, _ what: String) throws(MQTTError) {
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw MQTTError(kind: .configuration, message: "libmosquitto does not take \(what): \(errorText(code))")
        }
    }

    /// Opens the socket and queues CONNECT. Blocks for name resolution and TCP, which is what this thread is for.
    func connect(_ configuration: Session.Configuration) throws(MQTTError) {
        var properties: OpaquePointer?
        defer { unsafe mosquitto_property_free_all(&properties) }
        let expiry = UInt32(clamping: configuration.sessionExpiry.components.seconds)
        try self.require(
            unsafe mosquitto_property_add_int32(&properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), expiry),
            "the session expiry")
        self.inbox.topicFilters = configuration.topicFilters
        let code = unsafe mosquitto_connect_bind_v5(
            self.raw, configuration.host, Int32(configuration.port),
            Int32(configuration.keepalive.components.seconds), nil, properties)
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw MQTTError(kind: .connect, message: errorText(code))
        }
    }

    /// At QoS 1. `id` is what the acknowledgement will name.
    func publish(_ payload: [UInt8], to topic: String, id: inout Int32) -> Int32 {
        unsafe payload.withUnsafeBytes { bytes in
            unsafe mosquitto_publish_v5(
                self.raw, &id, topic, Int32(bytes.count), bytes.baseAddress, 1, false, nil)
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

    func unsubscribe(from filter: String) -> Int32 {
        unsafe mosquitto_unsubscribe_v5(self.raw, nil, filter, nil)
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
