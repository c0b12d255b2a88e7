import Testing
import Values

@testable import Domain

/// What a format makes of bytes; a reason that begins with `!` is what it says if it makes nothing of them.
private func view(_ format: String, _ payload: [UInt8]) -> String {
    guard let decoder = PayloadDecoder.of(format) else { return "no such format" }
    // 2023-11-14T22:13:20Z.
    let received = Instant(seconds: 1_700_000_000) ?? .first
    do throws(UndecodedPayload) {
        return String(decoding: try decoder.view(of: payload, received: received), as: UTF8.self)
    } catch {
        return "!\(error)"
    }
}

private func view(_ format: String, _ hex: String) -> String {
    view(format, Hex.decode(hex.filter { $0 != " " }) ?? [])
}

@Suite("Payloads that are no JSON")
struct PayloadDecoderTests {
    private static let cborCases: [(String, String)] = [
        ("00", "0"), ("01", "1"), ("0a", "10"), ("17", "23"), ("1818", "24"), ("1819", "25"), ("1864", "100"),
        ("1903e8", "1000"), ("1a000f4240", "1000000"), ("1b000000e8d4a51000", "1000000000000"),
        ("1bffffffffffffffff", "18446744073709551615"), ("c249010000000000000000", "18446744073709551616"),
        ("3bffffffffffffffff", "-18446744073709551616"), ("c349010000000000000000", "-18446744073709551617"),
        ("20", "-1"), ("29", "-10"), ("3863", "-100"), ("3903e7", "-1000"),
        ("f90000", "0.0"), ("f98000", "-0.0"), ("f93c00", "1.0"), ("fb3ff199999999999a", "1.1"),
        ("f93e00", "1.5"), ("f97bff", "65504.0"), ("fa47c35000", "100000.0"), ("fa7f7fffff", "3.4028235e+38"),
        ("fb7e37e43c8800759c", "1e+300"), ("f90001", "5.9604645e-08"), ("f90400", "6.1035156e-05"),
        ("f9c400", "-4.0"), ("fbc010666666666666", "-4.1"), ("f97c00", "null"), ("f97e00", "null"),
        ("f9fc00", "null"), ("fa7f800000", "null"), ("fb7ff8000000000000", "null"), ("f4", "false"),
        ("f5", "true"), ("f6", "null"), ("f7", "null"), ("f0", "null"), ("f8ff", "null"),
        ("c074323031332d30332d32315432303a30343a30305a", #""2013-03-21T20:04:00Z""#),
        ("c11a514b67b0", "1363896240"), ("c1fb41d452d9ec200000", "1363896240.5"), ("d74401020304", #""01020304""#),
        ("d818456449455446", #""ZElFVEY=""#),
        ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", #""http://www.example.com""#), ("40", #""""#),
        ("4401020304", #""AQIDBA==""#), ("d54401020304", #""AQIDBA""#), ("60", #""""#), ("6161", #""a""#),
        ("6449455446", #""IETF""#), ("62225c", #""\"\\""#), ("62c3bc", #""ü""#), ("64f0908591", #""𐅑""#),
        ("80", "[]"), ("83010203", "[1,2,3]"), ("8301820203820405", "[1,[2,3],[4,5]]"), ("a0", "{}"),
        ("a201020304", #"{"1":2,"3":4}"#), ("a26161016162820203", #"{"a":1,"b":[2,3]}"#),
        ("826161a161626163", #"["a",{"b":"c"}]"#), ("5f42010243030405ff", #""AQIDBAU=""#),
        ("7f657374726561646d696e67ff", #""streaming""#), ("9fff", "[]"),
        ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
        ("83018202039f0405ff", "[1,[2,3],[4,5]]"), ("bf61610161629f0203ffff", #"{"a":1,"b":[2,3]}"#),
        ("bf6346756ef563416d7421ff", #"{"Fun":true,"Amt":-2}"#),
        // Section 3.4.4: 273.15. And what appendix A has not.
        ("c48221196ab3", "27315e-2"), ("c48200196ab3", "27315"), ("d9d9f7a1f501", #"{"true":1}"#),
        ("a1410101", #"{"AQ==":1}"#), ("a2616101616102", #"{"a":1,"a":2}"#),
    ]

    @Test(
        "CBOR is read as RFC 8949, appendix A has it",
        arguments: Self.cborCases)
    func cbor(hex: String, json: String) {
        #expect(view("cbor", hex) == json)
    }

    private static let brokenCBORCases: [(String, String)] = [
        ("", "it ends in the middle, at byte 0"), ("18", "1 bytes are said to follow, and there are 0, at byte 1"),
        ("62c328", "a text is no UTF-8, at byte 0"), ("0101", "1 bytes stand behind the value, at byte 1"),
        ("1c", "the first byte of an item is 0x1c, at byte 0"),
        ("ff", "a break stands where a value is expected, at byte 0"),
        ("bf6161ff", "a break stands where a value is expected, at byte 3"),
        ("f810", "a simple value is written in two bytes, at byte 0"),
        ("a18001", "a map's key is an array or a map, at byte 1"),
        ("5f6161ff", "a part of a string is none, at byte 1"),
        ("9bffffffffffffffff", "it ends in the middle, at byte 9"),
        ("5bffffffffffffffff", "18446744073709551615 bytes are said to follow, and there are 0, at byte 9"),
        (String(repeating: "81", count: 65) + "00", "it is nested deeper than 64, at byte 64"),
        (String(repeating: "c6", count: 65) + "00", "it is nested deeper than 64, at byte 64"),
        ("c25881" + String(repeating: "01", count: 129), "a bignum is longer than 128 bytes, at byte 0"),
    ]

    @Test(
        "CBOR that is not well-formed, or too much, says why and where",
        arguments: Self.brokenCBORCases)
    func brokenCBOR(hex: String, reason: String) {
        #expect(view("cbor", hex) == "!cbor: \(reason)")
    }

    private static let msgpackCases: [(String, String)] = [
        ("c0", "null"), ("c2", "false"), ("c3", "true"), ("00", "0"), ("7f", "127"), ("ff", "-1"), ("e0", "-32"),
        ("ccff", "255"), ("cdffff", "65535"), ("ceffffffff", "4294967295"),
        ("cfffffffffffffffff", "18446744073709551615"), ("d080", "-128"), ("d18000", "-32768"),
        ("d280000000", "-2147483648"), ("d38000000000000000", "-9223372036854775808"),
        ("ca41adc28f", "21.72"), ("ca3dcccccd", "0.1"), ("cb3fb999999999999a", "0.1"), ("ca7fc00000", "null"),
        ("a0", #""""#), ("a26869", #""hi""#), ("d9026869", #""hi""#), ("da00026869", #""hi""#),
        ("db000000026869", #""hi""#), ("c4020102", #""AQI=""#), ("c500020102", #""AQI=""#),
        ("c6000000020102", #""AQI=""#), ("90", "[]"), ("93010203", "[1,2,3]"), ("dc000101", "[1]"),
        ("dd0000000101", "[1]"), ("82a7636f6d70616374c3a6736368656d6100", #"{"compact":true,"schema":0}"#),
        ("de0001a16101", #"{"a":1}"#), ("df00000001a16101", #"{"a":1}"#), ("8101c0", #"{"1":null}"#),
        ("d6ff6553f100", "1700000000"), ("d7ff000000046553f100", "1700000000.000000001"),
        ("c70cff1dcd6500ffffffffffffffff", "-0.5"), ("d40501", #"{"type":5,"data":"AQ=="}"#),
        ("c70305010203", #"{"type":5,"data":"AQID"}"#),
        ("c1", "!msgpack: the first byte of an item is 0xc1, at byte 0"),
        ("dfffffffff", "!msgpack: it ends in the middle, at byte 5"),
        ("d9ff", "!msgpack: 255 bytes are said to follow, and there are 0, at byte 2"),
        ("a1ff", "!msgpack: a text is no UTF-8, at byte 0"),
        ("819000", "!msgpack: a map's key is an array, a map or an extension, at byte 1"),
        ("d7ffffffffff00000000", "!msgpack: a timestamp has 1073741823 nanoseconds, at byte 0"),
        (String(repeating: "91", count: 65) + "00", "!msgpack: it is nested deeper than 64, at byte 64"),
    ]

    @Test(
        "MessagePack is read as its specification has it",
        arguments: Self.msgpackCases)
    func msgpack(hex: String, json: String) {
        #expect(view("msgpack", hex) == json)
    }

    private static let senmlCases: [(String, String)] = [
        (
            #"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#,
            #"[{"name":"urn:dev:ow:10e2073a01080063","unit":"Cel","time":1700000000000000000,"value":23.1}]"#
        ),
        (
            #"[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]"#,
            #"[{"name":"urn:dev:ow:10e2073a01080063:current","unit":"A","time":1276020071001000000,"value":1.2},{"name":"urn:dev:ow:10e2073a01080063:current","unit":"A","time":1276020072001000000,"value":1.3},{"name":"urn:dev:ow:10e2073a01080063:voltage","unit":"V","time":1276020076001000000,"value":120.1}]"#
        ),
        (
            #"[{"bn":"a:","bv":20,"bs":1},{"n":"x","v":1,"ut":5},{"n":"y","vs":"b\"","t":-1.5,"s":0.5},{"n":"z","vd":"aGkg"},{"n":"w","vb":true}]"#,
            #"[{"name":"a:y","time":1699999998500000000,"string_value":"b\"","sum":1.5},{"name":"a:x","time":1700000000000000000,"update_time":5,"value":21,"sum":1},{"name":"a:z","time":1700000000000000000,"data_value":"aGkg","sum":1},{"name":"a:w","time":1700000000000000000,"bool_value":true,"sum":1}]"#
        ),
        (
            #"[{"n":"n","v":9007199254740993}]"#,
            #"[{"name":"n","time":1700000000000000000,"value":9007199254740993}]"#
        ),
        (#"[{"n":"","v":1}]"#, "!senml: record 0 has no name"),
        (
            #"[{"n":"a b","v":1}]"#,
            "!senml: record 0 has a name with other characters than letters, digits and - : . / _"
        ),
        (#"[{"n":"a"}]"#, "!senml: record 0 has no value"),
        (#"[{"n":"a","v":1,"vb":true}]"#, "!senml: record 0 has several values"),
        (#"[{"n":"a","v":"1"}]"#, "!senml: record 0 has another kind of v"),
        (#"[1]"#, "!senml: record 0 is no object"),
        (#"[{"bver":11,"n":"a","v":1}]"#, "!senml: record 0 is of a version beyond 10"),
        (#"[{"n":"a","v":1,"x_":1}]"#, "!senml: record 0 has x_, which must be understood, and is not"),
        (#"[{"n":"a","v":1,"t":1e400}]"#, "!senml: record 0 has a t that is too far"),
        (#"[{"n":"a","v":1"#, "!senml: it is no JSON"),
    ]

    @Test(
        "SenML is resolved as RFC 8428 has it, in Mainflux's form",
        arguments: Self.senmlCases)
    func senml(json: String, records: String) {
        #expect(view("senml", Array(json.utf8)) == records)
    }

    @Test("SenML in CBOR says the same as in JSON")
    func senmlInCBOR() {
        // RFC 8428, section 6, its first records.
        let cbor = """
            82 a7 21 78 1b 75726e3a6465763a6f773a3130653230373361303130383030363a 22 fb 41d303a15b00106a 23 61 41 20 05
            00 67 766f6c74616765 01 61 56 02 fb 405e066666666666 a3 00 67 63757272656e74 06 24 02 fb 3ff3333333333333
            """
        let json =
            #"[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2}]"#
        let inJSON = view("senml", Array(json.utf8))
        #expect(inJSON.hasPrefix("[{"))
        // 1.276020076001e+09 is no number of binary: what CBOR holds is half a microsecond off.
        #expect(
            view("senml", cbor.filter { !$0.isWhitespace }).filter { !$0.isNumber } == inJSON.filter { !$0.isNumber })
        #expect(view("senml", "a0") == "!senml: it is no array of records")
        #expect(view("senml", "81a2006161084101") == #"[{"name":"a","time":1700000000000000000,"data_value":"AQ"}]"#)
    }

    private static let sparkplugCases: [(String, String)] = [
        // By protoc's rules; of section 6.4.17 the arrays.
        (
            "08eaf2f5a8a02b121c0a094d79204d6574726963100118eaf2f5a8a02b200350fdffffff0f1802",
            #"{"timestamp":1486144502122,"metrics":[{"name":"My Metric","alias":1,"timestamp":1486144502122,"datatype":"Int32","value":-3}],"seq":2}"#
        ),
        (
            "120850ffffffff0f2001",
            #"{"metrics":[{"datatype":"Int8","value":-1}]}"#
        ),
        (
            "120d200458ffffffffffffffffff01",
            #"{"metrics":[{"datatype":"Int64","value":-1}]}"#
        ),
        (
            "120d200858ffffffffffffffffff01",
            #"{"metrics":[{"datatype":"UInt64","value":18446744073709551615}]}"#
        ),
        (
            "1207200965cdcc4c3e",
            #"{"metrics":[{"datatype":"Float","value":0.2}]}"#
        ),
        (
            "120b200a69000000000000f83f",
            #"{"metrics":[{"datatype":"Double","value":1.5}]}"#
        ),
        (
            "1204200b7001",
            #"{"metrics":[{"datatype":"Boolean","value":true}]}"#
        ),
        (
            "1206200c7a026869",
            #"{"metrics":[{"datatype":"String","value":"hi"}]}"#
        ),
        (
            "120720118201020102",
            #"{"metrics":[{"datatype":"Bytes","value":"AQI="}]}"#
        ),
        (
            "120420033801",
            #"{"metrics":[{"datatype":"Int32","is_null":true,"value":null}]}"#
        ),
        (
            "12092017820104308a2efb",
            #"{"metrics":[{"datatype":"Int16Array","value":[-30160,-1234]}]}"#
        ),
        (
            "120b20208201060c00000034d0",
            #"{"metrics":[{"datatype":"BooleanArray","value":[false,false,true,true,false,true,false,false,true,true,false,true]}]}"#
        ),
        (
            "120c202182010741424300686900",
            #"{"metrics":[{"datatype":"StringArray","value":["ABC","hi"]}]}"#
        ),
        (
            "120f4a0d0a01711208080318ffffffff0f",
            #"{"metrics":[{"properties":{"q":{"type":"Int32","value":-1}}}]}"#
        ),
        (
            "122820108a012308021201611201621a02010c220d0a0608ffffffff0f0a0332017822060a0208050a00",
            #"{"metrics":[{"datatype":"DataSet","value":{"num_of_columns":2,"columns":["a","b"],"types":["Int8","String"],"rows":[[-1,"x"],[5,null]]}}]}"#
        ),
        (
            "1224201392011f0a02763112070a016d200550071a0b0a0170100318ffffffff0f2201542800",
            #"{"metrics":[{"datatype":"Template","value":{"version":"v1","metrics":[{"name":"m","datatype":"UInt8","value":7}],"parameters":[{"name":"p","type":"Int32","value":-1}],"template_ref":"T","is_definition":false}}]}"#
        ),
        ("1a", "!sparkplug_b: it ends in the middle, at byte 1"),
        ("0b", "!sparkplug_b: a field has the wire type 3, at byte 0"),
        ("0a 00", "!sparkplug_b: timestamp has the wire type 2, at byte 0"), ("f8 01 05", "{}"),
        ("00 00", "!sparkplug_b: a field's number is 0, at byte 0"),
        ("08 ff ff ff ff ff ff ff ff ff 02", "!sparkplug_b: a number is longer than 64 bits, at byte 1"),
        ("12 04 4a 02 0a 00", "!sparkplug_b: a property set has 1 keys and 0 values, at byte 4"),
    ]

    @Test(
        "Sparkplug B is read by its datatypes",
        arguments: Self.sparkplugCases)
    func sparkplug(hex: String, json: String) {
        #expect(view("sparkplug_b", hex) == json)
    }

    private static let csvCases: [(String, String, String)] = [
        (#""csv""#, "t,v,n\r\n1,21.70,\"a,b\"\n2,,x\n", #"[{"t":1,"v":21.70,"n":"a,b"},{"t":2,"v":null,"n":"x"}]"#),
        (#"{"format":"csv","header":false}"#, "007;1e3;true", #"[["007",1e3,"true"]]"#),
        (#"{"format":"csv","columns":["a","b\""]}"#, "1,2\n3", #"[{"a":1,"b\"":2},{"a":3}]"#),
        (#"{"format":"csv","header":false,"separator":"|"}"#, "1,5|2", #"[["1,5",2]]"#), (#""csv""#, "", "[]"),
        (#""csv""#, "a\n1,2", "!csv: line 2 has 2 fields, and there are 1 columns"),
        (#""csv""#, "a\n\"1", "!csv: line 2 has a quote that is not closed"),
        (#""text""#, "a\"\n\u{0}ü", #""a\"\n\u0000ü""#),
    ]

    @Test(
        "Rows become objects by the names of their columns, or arrays",
        arguments: Self.csvCases)
    func csv(decode: String, payload: String, json: String) throws {
        let decoder = try #require(
            try PayloadDecoder.checked(try JSONValue(reading: Array(decode.utf8)), at: "config.decode"))
        #expect(PayloadDecoder.of(decoder.text) == decoder)
        #expect(view(decoder.text, Array(payload.utf8)) == json)
    }

    private static let checkedCases: [(String, String)] = [
        (#""xml""#, "config.decode"), (#"{"format":"xml"}"#, "config.decode.format"), ("1", "config.decode"),
        (#"{"format":"cbor","header":true}"#, "config.decode.header"),
        (#"{"format":"csv","separator":"ab"}"#, "config.decode.separator"),
        (#"{"format":"csv","columns":[""]}"#, "config.decode.columns"),
        (#"{"format":"csv","columns":["a"],"header":true}"#, "config.decode.columns"),
    ]

    @Test(
        "What a profile says of it is checked, and what is wrong named",
        arguments: Self.checkedCases)
    func checked(decode: String, field: String) throws {
        let value = try JSONValue(reading: Array(decode.utf8))
        #expect {
            _ = try PayloadDecoder.checked(value, at: "config.decode")
        } throws: {
            ($0 as? InvalidField)?.field == field
        }
        #expect(try PayloadDecoder.checked(.string("json"), at: "") == nil)
    }

    @Test("No bytes trap, what comes of them is JSON, and a small payload comes to no large view")
    func anyBytes() throws {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        let decoders = PayloadFormat.allCases.compactMap { PayloadDecoder.of($0.rawValue) }
        // JSON needs none, and Protocol Buffers a descriptor set.
        #expect(decoders.count == PayloadFormat.allCases.count - 2)
        for _ in 0..<3_000 {
            let payload = (0..<next() % 64).map { _ in UInt8(truncatingIfNeeded: next() >> 8) }
            for decoder in decoders {
                let text = view(decoder.text, payload)
                #expect(text.utf8.count <= PayloadDecoder.longestView(of: payload.count) + 100)
                #expect(text.hasPrefix("!") || RawJSON(Array(text.utf8)) != nil, "\(decoder.text): \(payload)")
            }
        }
        // A base name of 32 KB before each of 4,000 records.
        let name = String(repeating: "a", count: 32_000)
        let record = #",{"n":"b","v":1}"#
        let pack = Array((#"[{"bn":"\#(name)"}"# + String(repeating: record, count: 4_000) + "]").utf8)
        #expect(view("senml", pack).contains("over \(PayloadDecoder.longestView(of: pack.count)) bytes"))
        #expect(
            view("cbor", [0x9A, 0, 0x20, 0, 0] + Array(repeating: 0xF6, count: 2 << 20)).contains(
                "would be over 4194304 bytes"))
    }

    @Test("Templates and conditions read the view, and everything else the payload as it came")
    func viewOfMessage() throws {
        func message(_ hex: String) -> Message {
            Message(
                id: MessageID.first(at: .first), thing: .random(), group: .random(), subtopic: "",
                contentType: "application/cbor", payload: Hex.decode(hex) ?? [], traceparent: nil, isKept: false,
                receivedNanoseconds: nil, decoder: PayloadDecoder.of("cbor"))
        }
        func render(_ template: String, _ hex: String) throws -> String {
            let values = TemplateValues(message(hex), org: nil)
            return String(decoding: try Template(template, kind: .json).render(values), as: UTF8.self)
        }
        // {"t": 21.5}
        let hex = "a16174fb4035800000000000"
        #expect(
            try render(#"{"a":{payload.t},"b":{payload},"c":"{payload_hex}"}"#, hex)
                == #"{"a":21.5,"b":{"t":21.5},"c":"\#(hex)"}"#)
        #expect {
            _ = try render(#"{"a":{payload.t}}"#, "a1")
        } throws: {
            "\($0)".hasSuffix("which this one is not: cbor: it ends in the middle, at byte 1")
        }
        let conditions = ConditionSet(Conditions(rules: [.init(path: "t", operator: .gt, value: "20")]))
        func skip(_ hex: String) -> String? {
            var budget = EvaluationBudget()
            return conditions.evaluate(
                PayloadIndex(of: message(hex), paths: PathSet(conditions.paths)), budget: &budget
            ).skip
        }
        #expect(skip(hex) == nil)
        #expect(skip("a16174182a") == nil)
        #expect(skip("a1617414")?.hasPrefix("condition not met") == true)
        #expect(skip("a1")?.hasSuffix("the payload is not JSON (cbor: it ends in the middle, at byte 1)") == true)
    }
}
