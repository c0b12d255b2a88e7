internal import CLibPQ
internal import Logging

/// Where notices go; a class, because C keeps a pointer to it.
final class NoticeBox {
    var logger: Logger?
}

/// Owns the `PGconn`, from the first step of connecting on.
@safe
struct Handle: ~Copyable {
    /// nil before there is a connection; libpq takes that for one that is closed.
    let raw: OpaquePointer?
    private let notices = NoticeBox()

    /// No connection.
    init() {
        unsafe self.raw = nil
    }

    /// Starts connecting. Whether that can succeed is told by `PQstatus`.
    init(_ parameters: [Endpoint.Parameter]) throws(PostgresError) {
        let keywords = parameters.map(\.keyword)
        let values = parameters.map(\.value)
        let raw = unsafe withCStrings(keywords) { keywords in
            unsafe withCStrings(values) { values in
                // 1: a connection string in `dbname` is expanded.
                unsafe PQconnectStartParams(keywords, values, 1)
            }
        }
        guard let raw = unsafe raw else { throw PostgresError(.connect, "out of memory") }
        unsafe self.raw = raw
    }

    var errorMessage: String { unsafe trimmed(PQerrorMessage(self.raw)) }

    /// Sends notices to the log; libpq prints them to stderr otherwise, past it.
    func sendNotices(to logger: Logger) {
        let box = self.notices
        box.logger = logger
        unsafe PQsetNoticeProcessor(
            self.raw,
            { box, message in
                guard let box = unsafe box else { return }
                unsafe Unmanaged<NoticeBox>.fromOpaque(box).takeUnretainedValue()
                    .logger?.info("notice from PostgreSQL", metadata: ["notice": "\(trimmed(message))"])
            }, Unmanaged.passUnretained(box).toOpaque())
    }

    deinit {
        unsafe PQfinish(self.raw)
    }
}

/// Null-terminated array of C strings, valid during `body`.
private func withCStrings<T>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> T
) -> T {
    var storage: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(storage.count)
        storage.append(contentsOf: string.utf8CString)
    }
    return unsafe storage.withUnsafeBufferPointer { storage in
        var pointers = unsafe offsets.map { unsafe UnsafePointer<CChar>?(storage.baseAddress! + $0) }
        unsafe pointers.append(nil)
        return unsafe body(pointers)
    }
}

/// The parameters' addresses and lengths, valid during `body`. One buffer holds them all, so that no pointer is
/// taken into an array that could move.
func withPointers(
    to parameters: [Parameter], _ body: ([UnsafePointer<CChar>?], [Int32]) -> Int32
) -> Int32 {
    var pointers: [UnsafePointer<CChar>?] = unsafe []
    var lengths: [Int32] = []
    func next(_ rest: ArraySlice<Parameter>) -> Int32 {
        guard let first = rest.first else { return unsafe body(pointers, lengths) }
        guard let bytes = first.bytes else {
            unsafe pointers.append(nil)
            lengths.append(0)
            return next(rest.dropFirst())
        }
        return unsafe bytes.withUnsafeBytes { raw in
            // An empty value still needs an address: null would mean NULL.
            let address = unsafe raw.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
            unsafe pointers.append(address?.assumingMemoryBound(to: CChar.self))
            lengths.append(Int32(raw.count))
            return next(rest.dropFirst())
        }
    }
    return next(parameters[...])
}
