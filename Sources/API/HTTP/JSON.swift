internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Values

enum JSON {
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        ByteBuffer(bytes: try JSONWriter.bytes(of: value))
    }

    /// The text that it was sent as, on one line.
    static func text(_ value: JSONValue) -> String { value.text }

    static func decode(_ text: String) throws -> JSONValue {
        try JSONValue(reading: Array(text.utf8))
    }

    static let largestBody = 1024 * 1024

    /// The body as a tree; an empty object if there is none.
    static func optionalBody(of request: Request, as shape: Shape) async throws -> JSONValue {
        if request.headers[.contentLength] == "0"
            || (request.headers[.contentLength] == nil
                && request.headers[.transferEncoding] == nil)
        {
            return .object([:])
        }
        return try await Self.body(of: request, as: shape)
    }

    /// The body as a tree. Errors name what is wrong with it as a whole: type, size, syntax, fields that there are not.
    ///
    /// - Parameters:
    ///   - largest: in bytes.
    ///   - most: values, at any depth.
    ///   - other: the media type that the caller takes besides, for who sends neither.
    static func body(
        of request: Request, as shape: Shape, upTo largest: Int = Self.largestBody, most: Int = JSONValue.mostValues,
        orElse other: String? = nil
    ) async throws -> JSONValue {
        let type = request.headers[.contentType]?.split(separator: ";").first.map { $0.trimmingSpaces.lowercased() }
        guard type == "application/json" else {
            let types = ["application/json", other].compactMap(\.self).joined(separator: " or ")
            throw APIError(status: .unsupportedMediaType, message: "content-type must be \(types)")
        }
        let value = try JSONValue(reading: try await Self.bytes(of: request, upTo: largest), most: most)
        try shape.check(value)
        return value
    }

    static func bytes(of request: Request, upTo largest: Int) async throws -> [UInt8] {
        try request.refuseEncodedBody()
        do {
            return Array(try await request.body.collect(upTo: largest).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw APIError(
                status: .contentTooLarge, message: "the body must be at most \(largest / (1024 * 1024)) MiB")
        }
    }
}

extension Request {
    /// Compressed bodies are not unpacked: what they grow to is not bounded by what they are.
    ///
    /// - Throws: ``APIError``, 415 with what is taken (RFC 9110, section 8.4).
    func refuseEncodedBody() throws(APIError) {
        guard let encoding = self.headers[.contentEncoding], encoding.lowercased() != "identity" else { return }
        throw APIError(
            status: .unsupportedMediaType,
            message: "content-encoding must be identity, not \(encoding.printable(most: 40))",
            headers: [.acceptEncoding: "identity"])
    }

    /// What was packed for the way would be taken for the body itself: the chunks alone are taken off here.
    ///
    /// - Throws: ``APIError``, 501 (RFC 9112, section 6.1).
    func refuseOtherTransferCodings() throws(APIError) {
        guard let coding = self.headers[.transferEncoding], coding.lowercased() != "chunked" else { return }
        throw APIError(
            status: .notImplemented,
            message: "transfer-encoding must be chunked, not \(coding.printable(most: 40))")
    }
}
