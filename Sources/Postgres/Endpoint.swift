internal import CLibPQ

/// Where the database is and how to log in: libpq's keywords and values.
///
/// Printing it shows the keywords alone, because a value may be a password.
@safe
package struct Endpoint: Sendable, CustomStringConvertible, CustomReflectable {
    struct Parameter: Sendable {
        var keyword: String
        var value: String
    }

    private(set) var parameters: [Parameter]
    package var connectTimeout: Duration = .seconds(5)

    /// Reads a libpq connection string (`host=… user=…`) or a `postgresql://` URI.
    ///
    /// - Throws: ``PostgresError`` of kind `configuration`.
    package init(_ connectionString: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = unsafe PQconninfoParse(connectionString, &message) else {
            defer { unsafe PQfreemem(message) }
            // libpq quotes the string at fault, and with it perhaps the password: only the shape is told.
            throw PostgresError(
                .configuration, "not a libpq connection string (host=… dbname=…) or postgresql:// URI")
        }
        defer { unsafe PQconninfoFree(options) }
        self.parameters = []
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                unsafe self.parameters.append(
                    Parameter(keyword: String(cString: keyword), value: String(cString: value)))
            }
            unsafe option += 1
        }
        self.setDefault("application_name", "hookline")
        self.setDefault("client_encoding", "UTF8")
        // A server that vanished without a word is noticed within about 20 seconds.
        self.setDefault("tcp_user_timeout", "20000")
        self.setDefault("keepalives_idle", "10")
        self.setDefault("keepalives_interval", "5")
        self.setDefault("keepalives_count", "2")
    }

    private mutating func setDefault(_ keyword: String, _ value: String) {
        if !self.parameters.contains(where: { $0.keyword == keyword }) {
            self.parameters.append(Parameter(keyword: keyword, value: value))
        }
    }

    /// A copy with one more server setting for the sessions made from it, e.g. `synchronous_commit`.
    package func with(setting name: String, _ value: String) -> Endpoint {
        var copy = self
        let addition = "-c \(name)=\(value)"
        if let index = copy.parameters.firstIndex(where: { $0.keyword == "options" }) {
            copy.parameters[index].value += " " + addition
        } else {
            copy.parameters.append(Parameter(keyword: "options", value: addition))
        }
        return copy
    }

    package var description: String {
        "Endpoint(\(self.parameters.map(\.keyword).joined(separator: ", ")))"
    }

    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
