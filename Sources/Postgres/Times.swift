package import Values

/// PostgreSQL counts from 2000-01-01, in microseconds.
private let epoch: Int64 = 946_684_800_000_000

/// Points in time as `timestamptz`.
extension Instant: PostgresEncodable {
    package static var postgresOID: UInt32 { 1184 }
    package static var postgresArrayOID: UInt32 { 1185 }
    package func encode(into buffer: inout [UInt8]) {
        buffer.append(bigEndian: self.microseconds - epoch)
    }
}

extension Row {
    /// A `timestamptz`. What lies before 1970 or after 9999, `infinity` as well, is the nearest that does not.
    package func instant(_ column: Int) throws(PostgresError) -> Instant {
        Instant(clampingMicroseconds: try self.int64(column).adding(epoch))
    }
}
