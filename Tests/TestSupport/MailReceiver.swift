internal import LocalServices

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A server that takes mail (PyPI's aiosmtpd), and remembers it as Python's `email` reads it.
///
/// `nobody@…`, `verbose@…` and `closed@…` there is not, and `later@…` is not taken now; for `blocked@…` and `greeted@…` it is the client that it does not
/// like. Nothing is taken from `forbidden@…`.
package final class MailReceiver: Sendable {
    /// The last one speaks to nobody, and says so at once.
    package enum Security: String, Sendable { case tls, starttls, plain, refusing }

    package struct Mail: Decodable, Sendable {
        package let sender: String
        package let recipients: [String]
        /// Who signed in; nil if nobody did.
        package let user: String?
        package let subject: String
        package let text: String
        /// The names of the headers, as they came.
        package let headers: [String]
        /// What is wrong with it, if anything is.
        package let defects: [String]
    }

    package let port: Int
    /// PEM file of who vouches for it.
    package let authority: String
    private let folder: String
    private let process: ChildProcess

    package static let user = "hook line"
    package static let password = "pass:w@rd"

    private init(port: Int, authority: String, folder: String, process: ChildProcess) {
        self.port = port
        self.authority = authority
        self.folder = folder
        self.process = process
    }

    package static func start(_ security: Security) async throws -> MailReceiver {
        let folder = try Files.makeTemporaryFolder()
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "\(folder)/key.pem", "-out",
                "\(folder)/certificate.pem",
            ])
        try Files.write(Self.script, to: "\(folder)/server.py")
        let port = try freePort()
        let process = try await ChildProcess.start(
            HooklineProcess.python, ["\(folder)/server.py", "\(port)", folder, security.rawValue],
            logFile: "\(folder)/log")
        try await waitUntil("the mail server (see \(folder)/log)", within: .seconds(60)) {
            Files.exists("\(folder)/ready")
        }
        return MailReceiver(port: port, authority: "\(folder)/certificate.pem", folder: folder, process: process)
    }

    /// What came, the oldest first.
    package var mails: [Mail] {
        get throws {
            try (Files.read("\(self.folder)/mail") ?? "").split(separator: "\n").map {
                try JSONDecoder().decode(Mail.self, from: Data($0.utf8))
            }
        }
    }

    package func stop() async {
        await self.process.stop()
    }

    private static let script = """
        import asyncio, email, email.policy, json, ssl, sys
        from aiosmtpd.smtp import SMTP, AuthResult

        port, folder, security = int(sys.argv[1]), sys.argv[2], sys.argv[3]


        class Refusing(asyncio.Protocol):
            def connection_made(self, transport):
                transport.write(b"554 5.7.1 Not for you\\r\\n")
                transport.close()


        class Handler:
            async def handle_MAIL(self, server, session, envelope, address, options):
                if address.startswith("forbidden@"):
                    return "550 5.7.1 This account is not yours"
                envelope.mail_from = address
                envelope.mail_options.extend(options)
                return "250 OK"

            async def handle_RCPT(self, server, session, envelope, address, options):
                if address.startswith("nobody@"):
                    return "550 5.1.1 No such user here"
                if address.startswith("blocked@"):
                    return "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked"
                if address.startswith("verbose@"):
                    return "550-5.1.1 There is no such user here.\\r\\n550-5.1.1 Try another\\r\\n550 5.1.1 one"
                if address.startswith("closed@"):
                    return "550 5.5.0 Requested action not taken: mailbox unavailable"
                if address.startswith("greeted@"):
                    return "504 5.5.2 <hook>: Helo command rejected: need fully-qualified hostname"
                if address.startswith("later@"):
                    return "451 4.7.1 Come back later"
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server, session, envelope):
                message = email.message_from_bytes(envelope.content, policy=email.policy.default)
                line = {
                    "sender": envelope.mail_from,
                    "recipients": envelope.rcpt_tos,
                    "user": session.auth_data,
                    "subject": message["subject"],
                    "text": message.get_content().replace("\\r\\n", "\\n"),
                    "headers": message.keys(),
                    "defects": [str(defect) for defect in message.defects],
                }
                with open(folder + "/mail", "a") as file:
                    file.write(json.dumps(line) + "\\n")
                return "250 taken"


        def authenticate(server, session, envelope, mechanism, data):
            if (data.login, data.password) != (b"\(MailReceiver.user)", b"\(MailReceiver.password)"):
                return AuthResult(success=False, handled=False)
            return AuthResult(success=True, auth_data=data.login.decode())


        def make():
            if security == "refusing":
                return Refusing()
            if security == "plain":
                return SMTP(Handler(), hostname="localhost")
            return SMTP(
                Handler(), hostname="localhost", tls_context=context if security == "starttls" else None,
                require_starttls=security == "starttls", auth_required=True, auth_require_tls=security == "starttls",
                authenticator=authenticate)


        async def main():
            await asyncio.get_running_loop().create_server(
                make, "127.0.0.1", port, ssl=context if security == "tls" else None)
            open(folder + "/ready", "w").close()
            await asyncio.Event().wait()


        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder + "/certificate.pem", folder + "/key.pem")
        asyncio.run(main())
        """
}
