import Domain
import Mail
import TestSupport
import Testing
import Values

@Suite("Mail")
struct MailerTests {
    private func server(_ scheme: String, _ port: Int, credentials: String = "hook%20line:pass%3Aw%40rd@") throws
        -> MailServer
    {
        try #require(MailServer(Secret("\(scheme)://\(credentials)localhost:\(port)")))
    }

    private func message(to: String = "ops@example.com", subject: String = "S", text: String = "T") throws
        -> MailMessage
    {
        MailMessage(
            from: try #require(MailAddress("hookline@example.com")), to: try #require(MailAddress(to)),
            subject: subject,
            text: text, id: "ntc_1", date: try #require(Instant(seconds: 1_764_154_991)))
    }

    private func mailer(_ server: MailServer, _ receiver: MailReceiver? = nil) throws -> Mailer {
        try Mailer(server, from: try #require(MailAddress("hookline@example.com")), caFile: receiver?.authority)
    }

    @Test(
        "is handed over with a password, under TLS from the beginning and after STARTTLS",
        arguments: [("smtps", MailReceiver.Security.tls), ("smtp", .starttls)])
    func taken(scheme: String, security: MailReceiver.Security) async throws {
        let receiver = try await MailReceiver.start(security)
        let mailer = try self.mailer(try self.server(scheme, receiver.port), receiver)
        let long = String(repeating: "ä long line, and ", count: 200)
        let text = "Webhook “Ünïcode 🦊” fails\n.\n..a line that begins with dots\n\(long)\n"
        try await mailer.send(try self.message(subject: "[Hookline] Webhook “Ünïcode 🦊” \(long)", text: text))
        let mail = try #require(try receiver.mails.first)
        #expect(mail.sender == "hookline@example.com" && mail.recipients == ["ops@example.com"])
        #expect(mail.user == MailReceiver.user)
        #expect(mail.text == text)
        #expect(mail.subject.hasPrefix("[Hookline] Webhook “Ünïcode 🦊” ä long line"))
        #expect(mail.defects.isEmpty)
        await receiver.stop()
    }

    @Test("has the headers that it was given and no others, whatever stands in a name")
    func injection() async throws {
        let receiver = try await MailReceiver.start(.plain)
        let mailer = try self.mailer(try self.server("smtp+plain", receiver.port, credentials: ""))
        let attack = "a\r\nBcc: victim@example.com\r\n\r\nHello\r\n.\r\nMAIL FROM:<x@example.com>\r\n"
        try await mailer.send(try self.message(subject: attack, text: attack))
        let mail = try #require(try receiver.mails.first)
        #expect(try receiver.mails.count == 1 && mail.recipients == ["ops@example.com"])
        #expect(
            Set(mail.headers) == [
                "Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type",
                "Content-Transfer-Encoding",
            ])
        #expect(mail.headers.count == 9)
        await receiver.stop()
    }

    @Test("that is refused says so in the server's words, and whether for good")
    func refused() async throws {
        let receiver = try await MailReceiver.start(.plain)
        let mailer = try self.mailer(try self.server("smtp+plain", receiver.port, credentials: ""))
        let never = await #expect(throws: MailFailure.self) {
            try await mailer.send(try self.message(to: "nobody@example.com"))
        }
        #expect(never?.isFinal == true && never?.description.contains("550 5.1.1 No such user here") == true)
        let verbose = await #expect(throws: MailFailure.self) {
            try await mailer.send(try self.message(to: "verbose@example.com"))
        }
        #expect(
            verbose?.description == "the mail server says: 550 5.1.1 There is no such user here. Try another one")
        #expect(verbose?.isFinal == true)
        // As Outlook.com says it.
        let closed = await #expect(throws: MailFailure.self) {
            try await mailer.send(try self.message(to: "closed@example.com"))
        }
        #expect(closed?.isFinal == true && closed?.description.contains("550 5.5.0") == true)
        let later = await #expect(throws: MailFailure.self) {
            try await mailer.send(try self.message(to: "later@example.com"))
        }
        #expect(later?.isFinal == false && later?.description.contains("451") == true)
        try await mailer.send(try self.message())
        #expect(try receiver.mails.count == 1)
        await receiver.stop()
    }

    @Test("is kept where Hookline itself is refused, and only the operator is told in the server's words")
    func refusedSender() async throws {
        let (refusing, plain) = (try await MailReceiver.start(.refusing), try await MailReceiver.start(.plain))
        for (port, sender, address, words) in [
            (refusing.port, "hookline@example.com", "ops@example.com", "554 5.7.1"),
            (plain.port, "forbidden@example.com", "ops@example.com", "550 5.7.1"),
            // Put off until there is an address, as Postfix does.
            (plain.port, "hookline@example.com", "blocked@example.com", "554 5.7.1"),
            (plain.port, "hookline@example.com", "greeted@example.com", "504 5.5.2"),
        ] {
            let mailer = try Mailer(
                try self.server("smtp+plain", port, credentials: ""), from: try #require(MailAddress(sender)))
            let message = MailMessage(
                from: mailer.sender, to: try #require(MailAddress(address)), subject: "S", text: "T",
                id: "ntc_1", date: try #require(Instant(seconds: 1_764_154_991)))
            let failure = await #expect(throws: MailFailure.self) { try await mailer.send(message) }
            #expect(failure?.isFinal == false && failure?.description.contains(" 5.") == false, "\(failure as Any)")
            #expect(failure?.detail.contains(words) == true, "\(failure as Any)")
        }
        await refusing.stop()
        await plain.stop()
    }

    @Test("is not handed to who cannot show who they are, to who speaks no TLS, or with a wrong password")
    func insecure() async throws {
        let (secure, plain) = (try await MailReceiver.start(.tls), try await MailReceiver.start(.plain))
        let wrong = "hook%20line:another@"
        for (server, trusted) in [
            (try self.server("smtps", secure.port), nil), (try self.server("smtp", plain.port), plain),
            (try self.server("smtps", secure.port, credentials: wrong), secure),
        ] {
            let failure = await #expect(throws: MailFailure.self) {
                try await self.mailer(server, trusted).send(try self.message())
            }
            #expect(failure?.isFinal == false)
            #expect(failure?.detail.contains("another") == false && failure?.detail.contains("pass") == false)
        }
        #expect(try secure.mails.isEmpty && plain.mails.isEmpty)
        await secure.stop()
        await plain.stop()
    }

    @Test("is given up when its task is cancelled, whatever the server does")
    func cancelled() async throws {
        let silent = try BlackHole()
        let mailer = try self.mailer(try self.server("smtp+plain", silent.port, credentials: ""))
        let sending = Task { try await mailer.send(try self.message()) }
        try await Task.sleep(for: .milliseconds(200))
        sending.cancel()
        await #expect(throws: MailFailure.self) { try await sending.value }
    }
}

@Suite("Addresses of mail")
struct MailAddressTests {
    @Test(
        "are what needs no quotes",
        arguments: ["a@b", "first.last+tag@mail.example.com", "o'brien@example.com", "a@xn--bcher-kva.example"])
    func taken(text: String) {
        #expect(MailAddress(text)?.text == text)
    }

    @Test(
        "are none if they could end a header or a command",
        arguments: [
            "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a@b\r\nBcc: x@y", "a\n@b", "a@b>", "<a@b>", "\"a\"@b",
            "a,b@c",
            "a@b,c@d", "a..b@c", ".a@b", "a@b..c", "a@[127.0.0.1]", "ä@b", "a@b\0", "a;b@c", "a(b)@c", "a\\b@c",
        ])
    func refused(text: String) {
        #expect(MailAddress(text) == nil)
    }
}

@Suite("Mail servers")
struct MailServerTests {
    @Test(
        "are urls, each with the port that is usual",
        arguments: [
            ("smtps://user:p%40ss@mail.example.com", 465, "user"), ("smtp://mail.example.com:2525", 2_525, nil),
            ("smtp://mail.example.com/", 587, nil), ("smtp+plain://127.0.0.1", 25, nil),
        ] as [(String, Int, String?)])
    func read(text: String, port: Int, user: String?) {
        let server = MailServer(Secret(text))
        #expect(server?.port == port && server?.user == user)
        #expect(server?.password?.reveal() == (user == nil ? nil : "p@ss"))
        #expect("\(String(describing: server))".contains("p@ss") == false)
    }

    @Test(
        "are none without a host, with more than one, or with a password for all to read",
        arguments: [
            "", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://a/b", "smtp://a?b", "smtp://a:0",
            "smtp+plain://user:pass@a", "smtp://us%0D%0Aer:x@a",
        ])
    func refused(text: String) {
        #expect(MailServer(Secret(text)) == nil)
    }
}
