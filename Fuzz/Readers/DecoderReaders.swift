internal import Values

@testable import Domain

extension Reader {
    static let cbor = Reader.decoder("cbor")
    static let msgpack = Reader.decoder("msgpack")
    static let senml = Reader.decoder("senml")
    static let sparkplug = Reader.decoder("sparkplug_b")
    static let text = Reader.decoder("text")

    /// Options, and rows.
    static let csv = Reader("csv") { bytes in
        var input = Input(bytes)
        guard let options = try? JSONValue(reading: Array(input.line().utf8)),
            let decoder = try? PayloadDecoder.checked(options, at: "decode")
        else { return }
        expect(PayloadDecoder.of(decoder.text) == decoder, "it is made again by its text")
        Reader.view(by: decoder, input.bytes)
    }

    /// The length of a descriptor set in two bytes, the set, and then a payload, read as each of its messages.
    static let protobuf = Reader("protobuf") { bytes in
        guard bytes.count > 2 else { return }
        let set = Array(bytes.dropFirst(2).prefix(Int(bytes[0]) << 8 | Int(bytes[1])))
        guard let described = DescriptorSet(set) else { return }
        let reference = DescriptorReference.of(DescriptorReference.digest(of: set))
        if reference.isMissing { reference.fill(with: set) }
        for type in described.types.prefix(8) {
            guard let decoder = PayloadDecoder.of("protobuf:\(reference.digest):\(type)") else {
                fatalError("it is made by its text")
            }
            expect(PayloadDecoder.of(decoder.text) == decoder, "it is made again by its text")
            Reader.view(by: decoder, Array(bytes.dropFirst(2 + set.count)))
        }
    }

    private static func decoder(_ name: String) -> Reader {
        Reader(name) { bytes in
            guard let decoder = PayloadDecoder.of(name) else { fatalError("there is no \(name)") }
            Reader.view(by: decoder, bytes)
        }
    }

    private static func view(by decoder: PayloadDecoder, _ payload: [UInt8]) {
        guard let received = Instant(seconds: 1_700_000_000) else { return }
        do throws(UndecodedPayload) {
            let view = try decoder.view(of: payload, received: received)
            expect(view.count <= PayloadDecoder.longestView(of: payload.count), "a view has a bound")
            expect(RawJSON(view) != nil && ReferenceJSON.accepts(view), "a view is JSON")
            expect((try? decoder.view(of: payload, received: received)) == view, "it is the same each time")
        } catch {
            expect(error.offset.map { $0 <= payload.count } ?? true, "a fault stands in the payload")
            expect(error.description.utf8.count < 500, "little is said of it")
        }
    }
}
