import Domain

@testable import WebhookClient

extension Reader {
    /// How to cut it up, and a response.
    static let response = Reader("response", longest: 8 * 1024) { bytes in
        let cut = Int(bytes.first ?? 0)
        let response = bytes.dropFirst()
        var parser = ResponseParser(limits: .init(keptBody: 8, body: 64))
        let whole = Reading(&parser, of: [response])
        expect(whole.body.count <= 8, "of a body as much is kept as was asked for")
        if let headers = whole.headers {
            let kept = headers.fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
            expect(
                headers.fields.count <= AnswerHeaders.mostFields && kept <= AnswerHeaders.mostBytes,
                "headers are bounded")
            expect(AnswerHeaders(text: headers.text) == headers, "headers are read as they are stored")
        }
        for length in [1, 2 + cut % 61, 300] {
            parser.reset()
            let pieces = stride(from: response.startIndex, to: response.endIndex, by: length).map {
                response[$0..<min($0 + length, response.endIndex)]
            }
            let reading = Reading(&parser, of: pieces)
            expect(reading == whole, "in pieces of \(length) it is the same: \(whole) \(reading)")
        }
    }
}

/// What a response comes to.
private struct Reading: Equatable {
    var progress = ResponseParser.Progress.needsMore
    var isMalformed = false
    var end: ResponseParser.Progress?
    var status = 0
    var body: [UInt8] = []
    var retryAfter: String?
    var headers: AnswerHeaders?

    init(_ parser: inout ResponseParser, of pieces: [ArraySlice<UInt8>]) {
        var hasMore = pieces.contains { !$0.isEmpty }
        for (index, piece) in pieces.enumerated() where self.progress == .needsMore && !self.isMalformed {
            hasMore = index + 1 < pieces.count
            let result: Result<ResponseParser.Progress, ResponseParser.Malformed> = piece.withUnsafeBytes { bytes in
                do throws(ResponseParser.Malformed) { return .success(try parser.read(bytes)) } catch {
                    return .failure(error)
                }
            }
            switch result {
            case .success(let progress): self.progress = progress
            case .failure: self.isMalformed = true
            }
        }
        // What comes behind a response makes its connection one that is not used again.
        if hasMore, case .complete = self.progress { self.progress = .complete(canReuse: false) }
        if self.progress == .needsMore, !self.isMalformed { self.end = parser.finish() }
        (self.status, self.body, self.retryAfter) = (parser.status, parser.body, parser.retryAfter)
        self.headers = parser.headers
    }
}
