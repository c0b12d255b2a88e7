internal import CCurl
package import Domain
package import Threads
internal import Values

/// Why a message was not taken.
package struct MailFailure: Error, Sendable, CustomStringConvertible {
    /// Whether it would not be taken another time either: the server refused the message or its address for good.
    package let isFinal: Bool
    /// In words for who wants to be told; of the server no more than what it said of the message.
    package let description: String
    /// In words for the operator.
    package let detail: String
}

/// Hands mail over to a server, one message at a time, on a thread of its own: libcurl waits in the call, and whatever the
/// server does, not for longer than ``longest``.
package actor Mailer {
    private let thread: DedicatedThread
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.thread.executor.asUnownedSerialExecutor()
    }

    package nonisolated let sender: MailAddress
    private let server: MailServer
    private let caFile: String?

    /// How long one message may take.
    package static let longest: Duration = .seconds(30)
    /// In seconds.
    private static let longestConnect = 10

    /// Done once, whichever thread comes first.
    private static let isReady = hookline_curl_start() == CURLE_OK

    /// - Parameter caFile: PEM file of the authorities that are trusted in place of the system's.
    package init(_ server: MailServer, from sender: MailAddress, caFile: String? = nil) throws(ThreadError) {
        self.server = server
        self.sender = sender
        self.caFile = caFile
        self.thread = try DedicatedThread(name: "mail")
    }

    /// Returns when the server has it. If its task is cancelled it is given up within a second or so.
    package nonisolated func send(_ message: MailMessage) async throws(MailFailure) {
        let transfer = Transfer(message.bytes)
        let failure = await withTaskCancellationHandler {
            await self.perform(transfer, to: message.to)
        } onCancel: {
            transfer.cancel()
        }
        if let failure { throw failure }
    }

    private func perform(_ transfer: Transfer, to recipient: MailAddress) -> MailFailure? {
        guard Self.isReady, let curl = unsafe curl_easy_init() else {
            return MailFailure(isFinal: false, description: "mail cannot be sent now", detail: "libcurl does not start")
        }
        defer { unsafe curl_easy_cleanup(curl) }
        let recipients = unsafe curl_slist_append(nil, "<\(recipient.text)>")
        defer { unsafe curl_slist_free_all(recipients) }
        guard unsafe recipients != nil else {
            return MailFailure(isFinal: false, description: "mail cannot be sent now", detail: "no memory")
        }
        let settings =
            unsafe self.settings(curl) + Self.callbacks(curl, transfer)
            + [hookline_curl_list(curl, CURLOPT_MAIL_RCPT, recipients)]
        // Without one of these it would be another transfer.
        if let refused = settings.first(where: { $0 != CURLE_OK }) {
            return MailFailure(
                isFinal: false, description: "mail cannot be sent now", detail: Self.words(for: refused))
        }
        let code = unsafe curl_easy_perform(curl)
        return code == CURLE_OK ? nil : Self.failure(code, transfer)
    }

    private func settings(_ curl: UnsafeMutableRawPointer) -> [CURLcode] {
        var set = unsafe [
            hookline_curl_text(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps"),
            hookline_curl_text(curl, CURLOPT_URL, self.server.address),
            hookline_curl_text(curl, CURLOPT_MAIL_FROM, "<\(self.sender.text)>"),
            hookline_curl_number(curl, CURLOPT_UPLOAD, 1),
            // No signals: there are other threads.
            hookline_curl_number(curl, CURLOPT_NOSIGNAL, 1),
            hookline_curl_number(curl, CURLOPT_CONNECTTIMEOUT, Self.longestConnect),
            hookline_curl_number(curl, CURLOPT_TIMEOUT, Int(Self.longest.components.seconds)),
            hookline_curl_number(
                curl, CURLOPT_USE_SSL,
                Int((self.server.security == .none ? CURLUSESSL_NONE : CURLUSESSL_ALL).rawValue)),
            // What is in the environment is meant for others.
            hookline_curl_text(curl, CURLOPT_PROXY, ""),
        ]
        if let caFile { set.append(unsafe hookline_curl_text(curl, CURLOPT_CAINFO, caFile)) }
        if let user = self.server.user { set.append(unsafe hookline_curl_text(curl, CURLOPT_USERNAME, user)) }
        if let password = self.server.password {
            set.append(unsafe hookline_curl_text(curl, CURLOPT_PASSWORD, password.reveal()))
        }
        return set
    }

    /// `transfer` outlives the call, whose callbacks have it.
    private static func callbacks(_ curl: UnsafeMutableRawPointer, _ transfer: Transfer) -> [CURLcode] {
        let context = unsafe Unmanaged.passUnretained(transfer).toOpaque()
        return unsafe [
            hookline_curl_pointer(curl, CURLOPT_READDATA, context),
            hookline_curl_reader(curl) { buffer, size, count, context in
                guard let buffer = unsafe buffer, let context = unsafe context else { return 0 }
                return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                    .read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
            },
            hookline_curl_pointer(curl, CURLOPT_HEADERDATA, context),
            hookline_curl_header_writer(curl) { line, size, count, context in
                guard let line = unsafe line, let context = unsafe context else { return 0 }
                unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                    .heard(UnsafeRawBufferPointer(start: line, count: size * count))
                return size * count
            },
            // Which command an answer is to, libcurl says to who listens to all of it.
            hookline_curl_number(curl, CURLOPT_VERBOSE, 1),
            hookline_curl_pointer(curl, CURLOPT_DEBUGDATA, context),
            hookline_curl_listener(curl) { _, kind, data, size, context in
                guard kind == CURLINFO_HEADER_OUT, let data = unsafe data, let context = unsafe context else {
                    return 0
                }
                unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                    .said(UnsafeRawBufferPointer(start: data, count: size))
                return 0
            },
            hookline_curl_number(curl, CURLOPT_NOPROGRESS, 0),
            hookline_curl_pointer(curl, CURLOPT_XFERINFODATA, context),
            hookline_curl_progress(curl) { context, _, _, _, _ in
                guard let context = unsafe context else { return 0 }
                return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().isCancelled ? 1 : 0
            },
        ]
    }

    private static func words(for code: CURLcode) -> String {
        unsafe String(cString: curl_easy_strerror(code))
    }

    /// Whether a refusal for good is one of who sends, although it came for an address: servers put off what they have against a client or a sender
    /// until then. By the enhanced status (RFC 3463): the sender's address (X.1.7, X.1.8), how we speak, such as the name that we greet with
    /// (X.5.X), or security and policy (X.7.X).
    private static func isOfSender(_ answer: String) -> Bool {
        guard let status = answer.split(separator: " ").dropFirst().first?.split(separator: "."), status.count == 3
        else {
            return false
        }
        // Of mailboxes that are not there X.5.0 is said too, but not by a code about how we speak.
        let isOfSpeech = status[1] == "5" && answer.hasPrefix("50")
        return answer.hasPrefix("5")
            && (isOfSpeech || status[1] == "7" || status[1] == "1" && ["7", "8"].contains(status[2]))
    }

    private static func failure(_ code: CURLcode, _ transfer: Transfer) -> MailFailure {
        let answer = transfer.refusal
        let detail = Self.words(for: code) + (answer.map { ": \($0)" } ?? "")
        // What was refused is this message or its address; who is refused otherwise is Hookline.
        if code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY, transfer.isOfMessage, let answer,
            !Self.isOfSender(answer)
        {
            return MailFailure(
                isFinal: answer.hasPrefix("5"), description: "the mail server says: \(answer)", detail: detail)
        }
        return MailFailure(
            isFinal: false, description: "the mail server cannot be used now; the operator's log says why",
            detail: detail)
    }
}
