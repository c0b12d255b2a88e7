internal import Domain

extension Part {
    /// What reads texts of others: of whatever shape, four times as much is to take about four times as long. A square would
    /// take sixteen times as long, and what tries all ways would not end.
    static let growth = Self.payloads + Self.bodies + Self.patterns

    private static let shapes: [(name: String, text: @Sendable (Int) -> String)] = [
        ("nested", { Self.nested($0) }),
        ("arrays", { "[\(Array(repeating: "[]", count: $0 / 3).joined(separator: ","))]" }),
        ("names", { "{\((0..<$0 / 12).map { "\"\($0 + 1_000_000)\":0" }.joined(separator: ","))}" }),
        ("one-name", { "{\(Array(repeating: "\"a\":0", count: $0 / 6).joined(separator: ","))}" }),
        ("escapes", { "\"\(String(repeating: #"\u0061"#, count: $0 / 6))\"" }),
        ("digits", { String(repeating: "7", count: $0) }),
        ("open", { String(repeating: "[", count: $0) }),
    ]

    private static func nested(_ bytes: Int) -> String {
        let one = String(repeating: #"{"a":["#, count: 30) + String(repeating: "]}", count: 30)
        return "[\(Array(repeating: one, count: max(1, bytes / one.utf8.count)).joined(separator: ","))]"
    }

    private static let payloads = Self.shapes.flatMap { shape in
        [20, 80].map { size in
            Part(
                name: "\(shape.name)-\(size)k",
                text: "\(size),000 bytes of JSON (\(shape.name)) are read, searched, compared and checked", times: 10,
                bound: size == 80 ? ("\(shape.name)-20k", 5) : nil
            ) {
                let conditions = ConditionSet(
                    Conditions(rules: [
                        .init(
                            path: "", operator: .contains, value: "\"\(String(repeating: "a", count: 500))b\""),
                        .init(path: "", operator: .eq, value: "1"), .init(path: "[0].a[0].a", operator: .exists),
                        .init(path: "a", operator: .changed),
                    ]))
                let options = (0..<2_000).map(String.init).joined(separator: ",")
                let enumeration = #"{"enum":[\#(options)]}"#
                let text = #"{"items":\#(enumeration),"additionalProperties":\#(enumeration)}"#
                let schema = try JSONSchema(try made(RawJSON(Array(text.utf8))))
                let bytes = Array(shape.text(size * 1_000).utf8)
                let paths = PathSet(conditions.paths)
                return {
                    for _ in 0..<$0 {
                        var budget = EvaluationBudget(.max)
                        let index = PayloadIndex(bytes, paths: paths)
                        use(conditions.evaluate(index, budget: &budget))
                        use(index.json.flatMap { schema.fault(in: $0) })
                    }
                }
            }
        }
    }

    /// Where something stands deep in long names, which need not be gone through for each value.
    private static let bodies = [("values", "0"), ("zero-byte", #""\u0000""#)].flatMap { name, last in
        [false, true].map { isDeep in
            Part(
                name: isDeep ? "deep-\(name)" : name,
                text: "a body of 40,000 values is read\(isDeep ? ", which stand below 60 long names" : "")", times: 10,
                bound: isDeep ? (name, 2) : nil
            ) {
                let open = "{\"\(String(repeating: "n", count: 1_000))\":"
                let values = "[\(String(repeating: "0,", count: 40_000))\(last)]"
                let depth = isDeep ? 60 : 0
                let body = String(repeating: open, count: depth) + values + String(repeating: "}", count: depth)
                let bytes = Array(body.utf8)
                return { for _ in 0..<$0 { use(Result { try JSONValue(reading: bytes) }) } }
            }
        }
    }

    private static let patterns = [10, 40].map { size in
        Part(
            name: "pattern-\(size)k", text: "\(size),000 characters are compared with a pattern of 31 stars",
            times: 10,
            bound: size == 40 ? ("pattern-10k", 5) : nil
        ) {
            let pattern = try made(TextPattern(String(repeating: "*a", count: 31) + "b"))
            let text = String(repeating: "a", count: size * 1_000)
            return { for _ in 0..<$0 { use(pattern.matches(text)) } }
        }
    }
}
