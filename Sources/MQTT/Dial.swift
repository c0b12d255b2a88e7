internal import CMosquitto
internal import Synchronization
internal import Threads

/// One call of `mosquitto_connect_bind_v5`, on a thread of its own.
///
/// The call blocks while a name is resolved, and for as long as the kernel tries TCP: 127 seconds where packets are
/// dropped. libmosquitto's variant that does not wait cannot send properties, and without the session's expiry the
/// broker would forget the session; nor does it try a name's second address. So whoever waits for this may stop waiting.
/// A connection that is made after all is there for the next who asks; nothing has been sent on it, since CONNECT is
/// queued until the loop writes it.
@safe
final class Dial: Sendable {
    private enum State {
        case underWay
        case ended(MQTTError?)
        case taken
    }

    private let state = Mutex(State.underWay)
    /// The `struct mosquitto`. It is the thread's while the call is under way, and nobody else's until it is taken. No
    /// callback runs meanwhile.
    private let handle: UInt

    /// Starts the call.
    ///
    /// - Parameter executor: woken when it has ended.
    static func start(
        _ configuration: Session.Configuration, to broker: BrokerAddress, inbox: Inbox, waking executor: ThreadExecutor
    ) throws(MQTTError) -> Dial {
        let dial = unsafe Dial(
            UInt(bitPattern: try Client.makeHandle(configuration, inbox: inbox)))
        do throws(ThreadError) {
            try runOnThread(name: "mqtt connect") {
                let failure = dial.call(configuration, broker)
                dial.state.withLock { $0 = .ended(failure) }
                executor.wake()
            }
        } catch {
            throw MQTTError(error)
        }
        return dial
    }

    private init(_ handle: UInt) {
        self.handle = handle
    }

    deinit {
        if case .taken = self.state.withLock({ $0 }) { return }
        unsafe mosquitto_destroy(OpaquePointer(bitPattern: self.handle))
    }

    /// Whether the call has ended without a connection.
    var hasFailed: Bool {
        if case .ended(.some) = self.state.withLock({ $0 }) { true } else { false }
    }

    /// The connection, once there is one; nil while the call is under way.
    func take(_ inbox: Inbox) throws(MQTTError) -> Client? {
        let state = self.state.withLock { state in
            let current = state
            if case .ended(nil) = current { state = .taken }
            return current
        }
        switch state {
        case .ended(.some(let failure)): throw failure
        case .ended(nil):
            guard let raw = unsafe OpaquePointer(bitPattern: self.handle) else { return nil }
            return unsafe Client(raw, inbox: inbox)
        case .underWay, .taken: return nil
        }
    }

    private func call(_ configuration: Session.Configuration, _ broker: BrokerAddress) -> MQTTError? {
        var properties: OpaquePointer?
        defer { unsafe mosquitto_property_free_all(&properties) }
        let expiry = UInt32(clamping: configuration.sessionExpiry.components.seconds)
        let added = unsafe mosquitto_property_add_int32(
            &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), expiry)
        guard added == MOSQ_ERR_SUCCESS.rawValue else {
            return MQTTError(kind: .configuration, message: "libmosquitto does not take the session expiry")
        }
        if configuration.isFormerVersion { unsafe mosquitto_property_free_all(&properties) }
        let code = unsafe mosquitto_connect_bind_v5(
            OpaquePointer(bitPattern: self.handle), broker.host, Int32(broker.port),
            Int32(configuration.keepalive.components.seconds), nil, properties)
        return code == MOSQ_ERR_SUCCESS.rawValue ? nil : MQTTError(kind: .connect, message: errorText(code))
    }
}
