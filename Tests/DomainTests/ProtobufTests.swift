import TestSupport
import Testing
import Values

@testable import Domain

/// What is made of bytes of a type of ``AcmeDescriptors``; a reason that begins with `!` is what is said if nothing is.
private func view(_ type: String, _ payload: [UInt8]) -> String {
    let received = Instant(seconds: 1_700_000_000) ?? .first
    do {
        let decoder = try #require(try PayloadDecoder.checked(decode(type), at: "decode"))
        do throws(UndecodedPayload) {
            return String(decoding: try decoder.view(of: payload, received: received), as: UTF8.self)
        } catch {
            return "!\(error)"
        }
    } catch { return "!!\(error)" }
}

private func view(_ type: String, _ hex: String) -> String {
    view(type, Hex.decode(hex.filter { $0 != " " }) ?? [])
}

private func decode(_ type: String, descriptors: String = AcmeDescriptors.base64) -> JSONValue {
    .object(["format": .string("protobuf"), "descriptors": .string(descriptors), "type": .string(type)])
}

/// Why a profile's `decode` is refused; nil if it is not.
private func refusal(_ decode: JSONValue) -> String? {
    do throws(InvalidField) {
        _ = try PayloadDecoder.checked(decode, at: "decode")
        return nil
    } catch { return error.description }
}

private let emptySparse = #""readings":[],"numbers":[],"fixed":[],"words":[],"byName":{},"byNumber":{},"byTruth":{}"#

@Suite("Payloads in Protocol Buffers")
struct ProtobufTests {
    private static let cases: [(String, String, String)] = [
        (
            "acme.Uplink",
            """
            09000000000000f8bf158fc2ad4118ffffffffffffffffff01208080808080808080800128ffffffff0f30ffffffffffffffffff01
            38ffffffff0f40ffffffffffffffffff014dffffffff51ffffffffffffffff5dfeffffff61fdffffffffffffff68017203c3bc22
            7a0201ff800101
            """,
            """
            {"aDouble":-1.5,"aFloat":21.72,"anInt32":-1,"anInt64":-9223372036854775808,"aUint32":4294967295,\
            "aUint64":18446744073709551615,"aSint32":-2147483648,"aSint64":-9223372036854775808,"aFixed32":4294967295,\
            "aFixed64":18446744073709551615,"aSfixed32":-2,"aSfixed64":-3,"aBool":true,"aString":"ü\\"",\
            "someBytes":"Af8=","mode":"MODE_ON"}
            """
        ),
        (
            "acme.Uplink", "",
            """
            {"aDouble":0.0,"aFloat":0.0,"anInt32":0,"anInt64":0,"aUint32":0,"aUint64":0,"aSint32":0,"aSint64":0,\
            "aFixed32":0,"aFixed64":0,"aSfixed32":0,"aSfixed64":0,"aBool":false,"aString":"","someBytes":"",\
            "mode":"MODE_OFF"}
            """
        ),
        (
            "acme.Sparse",
            """
            080012030a01731a001a0b11000000000000f03f1805220301ac022a04ffffffff32017832003a0e0a016b12091100000000000000
            40421608f9ffffffffffffffff0110ffffffffffffffffff014a0508011201016209110000000000000840680472035a01777a0201
            00820120000000000000f07f000000000000f0ff000000000000f87f0000000000000080
            """,
            """
            {"set":0,"reading":{"sensorName":"s","value":0.0},"readings":[{"sensorName":"","value":0.0},\
            {"sensorName":"","value":1.0,"offset":-3}],"numbers":[1,300],"fixed":[-1],"words":["x",""],\
            "byName":{"k":{"sensorName":"","value":2.0}},"byNumber":{"-7":"MODE_LOW"},"byTruth":{"true":"AQ=="},\
            "aReading":{"sensorName":"","value":3.0},"@other":4,"inner":{\(emptySparse),"aWord":"w","@other":0,\
            "modes":[],"doubles":[]},"modes":["MODE_ON","MODE_OFF"],"doubles":["Infinity","-Infinity","NaN",-0.0]}
            """
        ),
        ("acme.Sparse", "", "{\(emptySparse),\"@other\":0,\"modes\":[],\"doubles\":[]}"),
        (
            "acme.Known",
            """
            0a0b0880e2cfaa0610809c9c39121608ffffffffffffffffff011080b6ca91feffffffff011a0908818080808080801022030a0178
            2a2a0a0e0a0161120911000000000000f83f0a180a0162121332110a0208000a0220010a031a01730a022a0032031a01763a004210
            0a07666f6f5f6261720a05612e625f634a0052300a20747970652e676f6f676c65617069732e636f6d2f61636d652e52656164696e
            67120c0a0174110000000000000040620e0805130a01771418011802a00603
            """,
            """
            {"time":"2023-11-14T22:13:20.120Z","took":"-1.500s","wrapped":9007199254740993,"text":"x",\
            "structure":{"a":1.5,"b":[null,true,"s",{}]},"value":"v","list":[],"mask":"fooBar,a.bC","empty":{},\
            "any":{"@type":"type.googleapis.com/acme.Reading","sensorName":"t","value":2.0},"nothing":null,\
            "old":{"id":5,"part":{"word":"w"},"plain":[1,2]}}
            """
        ),
        // What comes last, and what comes in parts.
        ("acme.Reading", "0a01610a0162", #"{"sensorName":"b","value":0.0}"#),
        ("acme.Reading", "1805 110000000000000840 0a0161", #"{"sensorName":"a","value":3.0,"offset":-3}"#),
        ("acme.Old", "08050807", #"{"id":7,"plain":[]}"#),
        ("acme.Old", "1801 1a0302ac02 1804", #"{"plain":[1,2,300,4]}"#),
        ("acme.Old", "08ffffffff0f", #"{"id":-1,"plain":[]}"#),
        ("acme.Old", "20808000", #"{"plain":[],"withDefault":0}"#),
        // Groups, also as if they were messages.
        ("acme.Old", "13 0a0177 14 13 14", #"{"part":{"word":"w"},"plain":[]}"#),
        ("acme.Old", "12030a0177", #"{"part":{"word":"w"},"plain":[]}"#),
        // What nobody knows.
        ("acme.Old", "4b 4b 0801 4c 53 54 4c 0805", #"{"id":5,"plain":[]}"#),
        ("acme.Old", "2801 290000000000000000 2a0141 2d00000000 0805", #"{"id":5,"plain":[]}"#),
    ]

    @Test("They are read by a descriptor set that protoc made", arguments: Self.cases)
    func views(type: String, hex: String, json: String) throws {
        let made = view(type, hex.filter { !$0.isWhitespace })
        #expect(made == json)
        _ = try JSONValue(reading: Array(made.utf8))
    }

    private static let partCases: [(String, String, String)] = [
        // oneof: the last counts, and what was before it is gone.
        ("5001 5a0177", #""aWord":"w""#, "aNumber"), ("5001 6200 5002", #""aNumber":2"#, "aReading"),
        ("62030a0161 5001 6200", #""aReading":{"sensorName":"","value":0.0}"#, "aNumber"),
        ("62030a0161 6209110000000000000840", #""aReading":{"sensorName":"a","value":3.0}"#, "aNumber"),
        ("12030a0161 12091100000000000008 40", #""reading":{"sensorName":"a","value":3.0}"#, "inner"),
        // Maps.
        ("420408011001 420408011000", #""byNumber":{"1":"MODE_OFF"}"#, "MODE_ON"),
        ("4200 3a00", #""byName":{"":{"sensorName":"","value":0.0}}"#, "set"),
        ("4200", #""byNumber":{"0":"MODE_OFF"}"#, "set"),
        ("3a0a0a016b12050a03616263", #""k":{"sensorName":"abc""#, "set"),
        // Enumerations, packed and not.
        ("7a0163", #""modes":[99]"#, "MODE"),
        ("7801 78ffffffffffffffffff01", #""modes":["MODE_ON","MODE_LOW"]"#, "set"),
        ("2001 2002", #""numbers":[1,2]"#, "set"), ("2dffffffff 2a0401000000", #""fixed":[-1,1]"#, "set"),
        ("2a00", #""fixed":[]"#, "set"),
    ]

    @Test("Of what can be there once the last counts", arguments: Self.partCases)
    func parts(hex: String, there: String, absent: String) {
        let made = view("acme.Sparse", hex)
        #expect(made.contains(there) && !made.contains("\"\(absent)"), "\(made)")
    }

    private static let knownCases: [(String, String)] = [
        // Times: none, the first and the last second, and nanoseconds.
        ("0a00", #""time":"1970-01-01T00:00:00Z""#), ("0a0b088092b8c398feffffff01", #""time":"0001-01-01T00:00:00Z""#),
        ("0a0708ff82d1ffaf07", #""time":"9999-12-31T23:59:59Z""#), ("0a07088083d1ffaf07", "!"),
        ("0a0210 01", #""time":"1970-01-01T00:00:00.000000001Z""#),
        ("0a0310e807", #""time":"1970-01-01T00:00:00.000001Z""#), ("1200", #""took":"0s""#),
        // A wrapper of what is absent, and values that are none.
        ("1a00", #""wrapped":0"#), ("2200", #""text":"""#), ("2a00", #""structure":{}"#), ("3200", #""value":null"#),
        ("3209 11000000000000f87f", #""value":"NaN""#), ("3202 3a00", #""value":null"#), ("4200", #""mask":"""#),
        // Any: of nothing, of what is not known, and of a known one.
        ("5200", #""any":{}"#), ("52080a03612f62120101", #""any":{"@type":"a/b","value":"AQ=="}"#),
        (
            "521f0a1d782f676f6f676c652e70726f746f6275662e537472696e6756616c7565",
            #""any":{"@type":"x/google.protobuf.StringValue","value":""}"#
        ),
    ]

    @Test("Messages with a form of their own in JSON have it", arguments: Self.knownCases)
    func wellKnown(hex: String, there: String) {
        let made = view("acme.Known", hex)
        if there == "!" { #expect(made.hasPrefix("!protobuf: ")) } else { #expect(made.contains(there), "\(made)") }
    }

    private static let brokenCases: [(String, String, String)] = [
        ("acme.Reading", "0a", "it ends in the middle, at byte 1"),
        ("acme.Reading", "0a0261", "2 bytes are said to follow, and there are 1, at byte 2"),
        ("acme.Reading", "0a01ff", "sensor_name: a text is no UTF-8, at byte 0"),
        ("acme.Reading", "0801", "sensor_name: it has the wire type 0, at byte 0"),
        ("acme.Reading", "00", "a field's number is 0, at byte 0"),
        ("acme.Reading", "0f", "a field has the wire type 7, at byte 0"),
        ("acme.Reading", "08ffffffffffffffffff02", "a number is longer than 64 bits, at byte 1"),
        ("acme.Reading", "0c", "a group ends where none is open, at byte 0"),
        ("acme.Reading", "4b0801", "it ends in the middle, at byte 3"),
        ("acme.Reading", "4b54", "another group ends than the one that is open, at byte 1"),
        ("acme.Reading", String(repeating: "4b", count: 70), "it is nested deeper than 64, at byte 64"),
        ("acme.Sparse", "1a001a030a01ff", "readings[1].sensor_name: a text is no UTF-8, at byte 4"),
        ("acme.Sparse", "2a03010203", "fixed: 4 bytes are said to follow, and there are 3, at byte 2"),
        ("acme.Known", "0a0b10ffffffffffffffffff01", "time: 0 s and -1 ns are no timestamp, at byte 0"),
        ("acme.Known", "120d 0801 10ffffffffffffffffff01", "took: 1 s and -1 ns are no duration, at byte 0"),
    ]

    @Test("What is malformed, or of another type, says where and why", arguments: Self.brokenCases)
    func broken(type: String, hex: String, reason: String) {
        #expect(view(type, hex) == "!protobuf: \(reason)")
    }

    @Test("A message in a message is read to 64 levels")
    func nesting() {
        var payload: [UInt8] = []
        for level in 1...70 {
            let length = payload.count
            let head: [UInt8] = [0x72, UInt8(length & 0x7F) | 0x80, UInt8(length >> 7)]
            payload = head + payload
            let made = view("acme.Sparse", payload)
            // The array of what repeats in the innermost is one more.
            #expect(made.contains("it is nested deeper than 64") == (level > 62), "\(level)")
            #expect(made.utf8.count < 20_000)
        }
    }

    private static let settingCases: [(String, String?)] = [
        (#""protobuf""#, "decode must be an object with format, descriptors and type where it is protobuf"),
        (#"{"format":"protobuf","type":"a"}"#, "decode.descriptors is required: what protoc"),
        (
            #"{"format":"protobuf","type":"a","descriptors":"?"}"#,
            "decode.descriptors must be base64 of a descriptor set of at most 256 KiB"
        ),
        (
            #"{"format":"protobuf","type":"a","descriptors":""}"#,
            "decode.descriptors must be a FileDescriptorSet: there is no message in it"
        ),
        // {"b": 1}
        (
            #"{"format":"protobuf","type":"a","descriptors":"eyJiIjogMX0="}"#,
            "decode.descriptors must be a FileDescriptorSet: 98 bytes are said to follow"
        ),
        (#"{"format":"protobuf","type":"a","descriptors":7}"#, "decode.descriptors must be an object, not a number"),
        (
            #"{"format":"protobuf","type":"a","descriptors":{"sha256":"7"}}"#,
            "decode.descriptors.sha256 must be 64 digits of hex"
        ),
        (#"{"format":"protobuf","type":"a b","descriptors":"DESCRIPTORS"}"#, "decode.type must be the full name"),
        (#"{"format":"protobuf","descriptors":"DESCRIPTORS"}"#, "decode.type is required"),
        (
            #"{"format":"protobuf","type":"acme.Uplnk","descriptors":"DESCRIPTORS"}"#,
            "decode.type is no message of the descriptor set; did you mean acme.Uplink?"
        ),
        (
            #"{"format":"protobuf","type":"Uplink","descriptors":"DESCRIPTORS"}"#,
            "decode.type is no message of the descriptor set; did you mean acme.Uplink?"
        ),
        (
            #"{"format":"protobuf","type":"quite.another","descriptors":"DESCRIPTORS"}"#,
            "decode.type is no message of the descriptor set: there are acme.Known, acme.Old, "
        ),
        (
            #"{"format":"protobuf","types":[{"subtopic":"a/#","type":"x"}],"descriptors":"DESCRIPTORS"}"#,
            "decode.types[0].type is no message of the descriptor set"
        ),
        (
            #"{"format":"protobuf","types":[{"subtopic":"a#","type":"x"}],"descriptors":"DESCRIPTORS"}"#,
            "decode.types[0].subtopic must be a subtopic"
        ),
        (
            #"{"format":"protobuf","types":[{"subtopic":"a"}],"descriptors":"DESCRIPTORS"}"#,
            "decode.types[0].type is required"
        ),
        (#"{"format":"protobuf","type":"acme.Old","x":1,"descriptors":"DESCRIPTORS"}"#, "decode.x is not an option"),
        (#"{"format":"protobuf","type":"acme.Old","descriptors":"DESCRIPTORS"}"#, nil),
    ]

    @Test("What is wrong with a profile's settings is named", arguments: Self.settingCases)
    func settings(json: String, reason: String?) throws {
        let text = json.split(separator: "DESCRIPTORS", omittingEmptySubsequences: false).joined(
            separator: AcmeDescriptors.base64)
        let found = refusal(try JSONValue(reading: Array(text.utf8)))
        if let reason { #expect(found?.hasPrefix(reason) == true, "\(found ?? "")") } else { #expect(found == nil) }
    }

    private static let setCases: [(String, String)] = [
        // message A { .x.B b = 1; }
        (
            "0a14 2212 0a0141 120d 0a0162 1801 280b 32042e782e42",
            "x.B, the type of A.b, is not in it: protoc puts it there with --include_imports"
        ),
        ("0a0a 2203 0a0141 2203 0a0141", "A is in it twice"),
        ("0a0c 220a 0a0141 1205 0a0162 1800", "the field b has the number 0"),
        ("0a0e 220c 0a0141 1207 0a0162 1801 280a", ", the type of A.b, is not in it"),
        ("0a0e 220c 0a0141 1207 0a0162 1801 2863", "A.b has the type 99, which there is not"),
        ("0a17 2215 0a0141 1207 0a0162 1801 2805 1207 0a0163 1801 2805", "A has two fields with the number 1"),
        ("0a05 2203 0a0131", "a name is not made of letters, digits and _, at byte 4"),
        ("0a04 2202 0801", "field 1 has the wire type 0, at byte 4"),
    ]

    @Test("A descriptor set that is none says why")
    func brokenSets() {
        for (hex, reason) in Self.setCases {
            let bytes = Hex.decode(hex.filter { $0 != " " }) ?? []
            var found: String?
            do throws(DecodingFault) { _ = try DescriptorSetReader.read(bytes) } catch {
                found = error.reason + (error.offset.map { ", at byte \($0)" } ?? "")
            }
            #expect(found?.contains(reason) == true, "\(hex): \(found ?? "nothing")")
        }
        // Nested again and again, each with a name.
        func field(_ tag: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            let length: [UInt8] = [UInt8(bytes.count & 0x7F) | 0x80, UInt8(bytes.count >> 7)]
            return [tag] + length + bytes
        }
        let name: [UInt8] = [0x0A, 0x01, 0x41]
        var message = name
        for _ in 0..<40 { message = name + field(0x1A, message) }
        let set = field(0x0A, field(0x22, message))
        #expect(throws: DecodingFault.self) { try DescriptorSetReader.read(set) }
        #expect(throws: DecodingFault.self) {
            try DescriptorSetReader.read([UInt8](repeating: 0, count: DescriptorSetReader.longest + 1))
        }
    }

    @Test("A subtopic may have a type of its own, and a message names the one that it was taken as")
    func choices() throws {
        let decode = JSONValue.object([
            "format": .string("protobuf"), "descriptors": .string(AcmeDescriptors.base64), "type": .string("acme.Old"),
            "types": .array([
                .object(["subtopic": .string("up/#"), "type": .string("acme.Reading")]),
                .object(["subtopic": .string("#"), "type": .string("acme.Sparse")]),
            ]),
        ])
        let decoder = try #require(try PayloadDecoder.checked(decode, at: "decode"))
        let reading = decoder.chosen(for: "up/1")
        #expect(reading.text.hasSuffix(":acme.Reading") && decoder.chosen(for: "down").text.hasSuffix(":acme.Sparse"))
        let again = try #require(PayloadDecoder.of(reading.text))
        #expect(again == reading && again.descriptors === decoder.descriptors)
        #expect(again.chosen(for: "down") == reading)
        let received = Instant(seconds: 1_700_000_000) ?? .first
        #expect(
            try again.view(of: [0x0A, 0x01, 0x61], received: received) == Array(#"{"sensorName":"a","value":0.0}"#.utf8)
        )
        // Where no type is said for a subtopic there is no view.
        let only = try #require(
            try PayloadDecoder.checked(
                .object([
                    "format": .string("protobuf"), "descriptors": .string(AcmeDescriptors.base64),
                    "types": .array([.object(["subtopic": .string("up"), "type": .string("acme.Reading")])]),
                ]), at: "decode"))
        let other = try #require(PayloadDecoder.of(only.chosen(for: "x").text))
        #expect(throws: UndecodedPayload(format: .protobuf, offset: nil, reason: "no type is said for its subtopic")) {
            try other.view(of: [], received: received)
        }
    }

    @Test("A set that is named by its digest is read once it is there, for all who name it")
    func references() throws {
        let bytes = try #require(Hex.decode("0a05" + "2203" + "0a0154"))
        let digest = DescriptorReference.digest(of: bytes)
        let decoder = try #require(PayloadDecoder.of("protobuf:\(digest):T"))
        let reference = try #require(decoder.descriptors)
        #expect(reference.isMissing && DescriptorReference.of(digest) === reference)
        let received = Instant(seconds: 1_700_000_000) ?? .first
        let missing = UndecodedPayload(
            format: .protobuf, offset: nil, reason: "its descriptor set is no longer there")
        #expect(throws: missing) { try decoder.view(of: [], received: received) }
        reference.fill(with: bytes)
        #expect(try decoder.view(of: [], received: received) == Array("{}".utf8))
        #expect(DescriptorSet(bytes)?.types == ["T"])
        for text in ["protobuf:", "protobuf:\(digest)", "protobuf:\(digest.uppercased()):T", "protobuf:zz:T"] {
            #expect(PayloadDecoder.of(text) == nil)
        }
    }

    @Test("Whatever bytes come, what is made is JSON within its bounds, or a reason", arguments: 0..<4)
    func anyBytes(seed: UInt64) throws {
        var random = Seeded(seed)
        let types = ["acme.Uplink", "acme.Sparse", "acme.Known", "acme.Old"]
        let decoders = try types.map { try #require(try PayloadDecoder.checked(decode($0), at: "decode")) }
        let seeds = Self.cases.map { Hex.decode($0.1.filter { !$0.isWhitespace }) ?? [] }
        let set = try #require(Base64.decode(AcmeDescriptors.base64))
        let received = Instant(seconds: 1_700_000_000) ?? .first
        for round in 0..<400 {
            var payload = seeds.randomElement(using: &random) ?? []
            if round % 3 == 0 { payload = (0..<64).map { _ in UInt8.random(in: 0...255, using: &random) } }
            for _ in 0..<3 where !payload.isEmpty {
                payload[Int.random(in: payload.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            for decoder in decoders {
                do throws(UndecodedPayload) {
                    let made = try decoder.view(of: payload, received: received)
                    #expect(RawJSON(made) != nil && made.count <= PayloadDecoder.longestView(of: payload.count))
                } catch {
                    #expect(error.offset.map { $0 <= payload.count } ?? true && error.description.utf8.count < 500)
                }
            }
            if round % 20 == 0 {
                var changed = set
                changed[Int.random(in: changed.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                do throws(DecodingFault) { _ = try DescriptorSetReader.read(changed) } catch {
                    #expect(!error.reason.isEmpty)
                }
            }
        }
    }
}
