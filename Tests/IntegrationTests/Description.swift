import Foundation

/// `/openapi.json`, gone through for the places where numbers and times stand.
struct Description {
    struct Call: CustomStringConvertible {
        let method: String
        let path: String
        let body: String?
        /// The operation, and where in it the value stands.
        let place: String

        var description: String { "\(self.method) \(self.path) \(self.body ?? "")" }
    }

    private typealias Object = [String: Any]

    private enum Kind { case number, time }

    private let root: Object
    private let ids: [String: String]

    /// - Parameter ids: of what there is, by the first part of the path.
    init(_ text: String, ids: [String: String]) throws {
        self.root = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? Object ?? [:]
        self.ids = ids
    }

    /// Every operation with each of the values in each of the places, the rest as it should be.
    func calls(numbers: [String], times: [String]) -> [Call] {
        var calls: [Call] = []
        for (path, item) in (self.root["paths"] as? [String: Object] ?? [:]).sorted(by: { $0.key < $1.key }) {
            let collection = path.split(separator: "/").first.map(String.init) ?? ""
            // Paths of what there is none of have no numbers.
            guard let id = path.contains("{id}") ? self.ids[collection] : "" else { continue }
            let target = path.replacingOccurrences(of: "{id}", with: id)
            for case let (method, operation as Object) in item {
                for parameter in (operation["parameters"] as? [Object] ?? []).map(self.resolved) {
                    guard let name = parameter["name"] as? String else { continue }
                    for (_, kind) in self.places(parameter["schema"] as? Object ?? [:]) {
                        for value in numbers + (kind == .time ? times : []) {
                            let query = value.replacingOccurrences(of: "+", with: "%2B")
                            calls.append(
                                Call(
                                    method: method.uppercased(), path: "\(target)?\(name)=\(query)", body: nil,
                                    place: "\(method) \(path) \(name)"))
                        }
                    }
                }
                calls += self.bodies(of: operation).flatMap { schema in
                    self.places(schema).flatMap { steps, kind in
                        (numbers + (kind == .time ? times.map { "\"\($0)\"" } : [])).map { value in
                            Call(
                                method: method.uppercased(), path: target, body: self.text(schema, steps[...], value),
                                place: "\(method) \(path) \(steps)")
                        }
                    }
                }
            }
        }
        return calls
    }

    private func bodies(of operation: Object) -> [Object] {
        let content = (operation["requestBody"] as? Object)?["content"] as? [String: Object]
        return [content?["application/json"]?["schema"] as? Object].compactMap { $0 }
    }

    private func resolved(_ schema: Object) -> Object {
        guard let reference = schema["$ref"] as? String else { return schema }
        var found = self.root
        for part in reference.split(separator: "/").dropFirst() { found = found[String(part)] as? Object ?? [:] }
        return found
    }

    /// The schema itself, or those that it is made of.
    private func parts(_ schema: Object) -> [Object] {
        let schema = self.resolved(schema)
        let parts = ["oneOf", "anyOf", "allOf"].flatMap { schema[$0] as? [Object] ?? [] }
        return parts.isEmpty ? [schema] : parts.flatMap(self.parts)
    }

    /// The ways to its numbers and times: names of fields, and `[]` for an element.
    private func places(_ schema: Object) -> [(steps: [String], kind: Kind)] {
        var places: [(steps: [String], kind: Kind)] = []
        for part in self.parts(schema) {
            switch part["type"] as? String {
            case "integer"?, "number"?: places.append(([], .number))
            case "string"? where part["format"] as? String == "date-time": places.append(([], .time))
            case "array"?:
                places += self.places(part["items"] as? Object ?? [:]).map { (["[]"] + $0.steps, $0.kind) }
            default:
                for (name, field) in part["properties"] as? [String: Object] ?? [:] {
                    places += self.places(field).map { ([name] + $0.steps, $0.kind) }
                }
            }
        }
        return places
    }

    /// The least that is taken, with the value at its place.
    private func text(_ schema: Object, _ steps: ArraySlice<String>, _ value: String) -> String {
        guard let step = steps.first else { return value }
        if step == "[]" {
            let items = self.parts(schema).compactMap { $0["items"] as? Object }.first ?? [:]
            return "[\(self.text(items, steps.dropFirst(), value))]"
        }
        let part = self.parts(schema).first { ($0["properties"] as? Object)?[step] != nil } ?? [:]
        let properties = part["properties"] as? [String: Object] ?? [:]
        var fields = ["\"\(step)\":\(self.text(properties[step] ?? [:], steps.dropFirst(), value))"]
        for name in part["required"] as? [String] ?? [] where name != step { fields.append(self.field(name)) }
        if let companions = Self.companions[step] { fields.append(companions) }
        return "{\(fields.joined(separator: ","))}"
    }

    /// What goes with a field, beyond what is required.
    private static let companions = [
        "after": #""type":"THING_SILENT""#, "tolerance": #""type":"signature","secret":"0123456789abcdef""#,
        "message": #""dry_run":true"#,
    ]

    private func field(_ name: String) -> String {
        switch name {
        case "name": #""name":"\#(UUID().uuidString)""#
        case "url": #""url":"http://127.0.0.1:9/""#
        case "thing_id": #""thing_id":"\#(self.ids["things"] ?? "")""#
        case "profile_id": #""profile_id":"\#(self.ids["profiles"] ?? "")""#
        case "per_second": #""per_second":1"#
        case "max_items": #""max_items":2"#
        case "webhook": #""dry_run":true,"webhook":{"name":"x","url":"http://127.0.0.1:9/"}"#
        default: "\"\(name)\":null"
        }
    }
}
