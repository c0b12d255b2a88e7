internal import CLibPQ

/// One answer of the server. It owns the `PGresult` and never leaves the connection's thread.
@safe
struct ResultSet: ~Copyable {
    private let result: OpaquePointer

    init(_ result: OpaquePointer) {
        unsafe self.result = result
    }

    deinit {
        unsafe PQclear(self.result)
    }

    var count: Int { unsafe Int(PQntuples(self.result)) }

    /// How many rows an INSERT, UPDATE or DELETE touched.
    var affectedRows: Int {
        guard let text = unsafe PQcmdTuples(self.result) else { return 0 }
        return unsafe Int(String(cString: text)) ?? 0
    }

    var status: ExecStatusType { unsafe PQresultStatus(self.result) }

    private func field(_ code: Character) -> String? {
        unsafe PQresultErrorField(self.result, Int32(code.asciiValue!)).map { unsafe String(cString: $0) }
    }

    /// Whether the server ends the connection with it. V is the severity in English.
    var isFatal: Bool { ["FATAL", "PANIC"].contains(self.field("V")) }

    var error: PostgresError {
        // Codes of `postgres_ext.h`: C is the SQLSTATE, M the message, n the constraint.
        guard let state = field("C") else {
            return unsafe PostgresError(.connectionLost, trimmed(PQresultErrorMessage(self.result)))
        }
        return PostgresError(
            .server, field("M") ?? "no message", sqlState: SQLState(state), constraint: field("n"))
    }

    /// Hands each row to `body`, which may keep what it decodes but not the row.
    func map<T>(_ body: (borrowing Row) throws -> T) rethrows -> [T] {
        var values: [T] = []
        values.reserveCapacity(self.count)
        for index in 0..<self.count {
            try values.append(body(unsafe Row(self.result, index)))
        }
        return values
    }
}

/// One row, for as long as the closure it is handed to runs. Columns count from 0; values are in binary format.
///
/// It can be neither copied nor stored, so the pointer cannot outlive the result that it is of.
@safe
package struct Row: ~Copyable {
    private let result: OpaquePointer
    private let index: Int32

    fileprivate init(_ result: OpaquePointer, _ index: Int) {
        unsafe self.result = result
        self.index = Int32(index)
    }

    /// How many columns it has.
    package var width: Int { unsafe Int(PQnfields(self.result)) }

    package func isNull(_ column: Int) -> Bool {
        unsafe PQgetisnull(self.result, self.index, Int32(column)) == 1
    }

    package func bool(_ column: Int) throws(PostgresError) -> Bool {
        try unsafe self.value(column, size: 1) { unsafe $0[0] != 0 }
    }

    package func int16(_ column: Int) throws(PostgresError) -> Int16 {
        try unsafe self.value(column, size: 2) { unsafe Int16(bigEndian: $0.loadUnaligned(as: Int16.self)) }
    }

    package func int32(_ column: Int) throws(PostgresError) -> Int32 {
        try unsafe self.value(column, size: 4) { unsafe Int32(bigEndian: $0.loadUnaligned(as: Int32.self)) }
    }

    package func int64(_ column: Int) throws(PostgresError) -> Int64 {
        try unsafe self.value(column, size: 8) { unsafe Int64(bigEndian: $0.loadUnaligned(as: Int64.self)) }
    }

    /// The 16 bytes of a `uuid`, as two halves.
    package func uuid(_ column: Int) throws(PostgresError) -> (high: UInt64, low: UInt64) {
        try unsafe self.value(column, size: 16) { bytes in
            unsafe (
                high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// A `text`, `varchar` or `name`.
    package func string(_ column: Int) throws(PostgresError) -> String {
        try unsafe self.value(column) { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// A `jsonb` as its text.
    package func json(_ column: Int) throws(PostgresError) -> String {
        try unsafe self.value(column) { unsafe String(decoding: $0.dropFirst(), as: UTF8.self) }
    }

    package func bytes(_ column: Int) throws(PostgresError) -> [UInt8] {
        try unsafe self.value(column) { unsafe [UInt8]($0) }
    }

    private func value<T>(
        _ column: Int, size: Int? = nil, _ body: (UnsafeRawBufferPointer) -> T
    ) throws(PostgresError) -> T {
        guard column >= 0, unsafe column < Int(PQnfields(self.result)) else {
            throw PostgresError(.decoding, "there is no column \(column)")
        }
        guard !self.isNull(column) else { throw PostgresError(.decoding, "column \(column) is NULL") }
        let length = unsafe Int(PQgetlength(self.result, self.index, Int32(column)))
        guard size == nil || size == length else {
            throw PostgresError(.decoding, "column \(column) has \(length) bytes instead of \(size ?? 0)")
        }
        return unsafe body(
            UnsafeRawBufferPointer(start: PQgetvalue(self.result, self.index, Int32(column)), count: length))
    }
}

/// libpq ends its messages with a line break, which has no place in a log line.
func trimmed(_ message: UnsafePointer<CChar>?) -> String {
    guard let message = unsafe message else { return "no message" }
    var text = unsafe String(cString: message)[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text)
}
