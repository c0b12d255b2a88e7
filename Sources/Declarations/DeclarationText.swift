package import Domain
internal import Yams

/// The text of a file, as YAML 1.2 or JSON.
package struct DeclarationText: Sendable {
    package let value: JSONValue
    /// The line of each value, by its path.
    private let lines: [String: Int]

    package static let longest = 4 * 1024 * 1024
    /// With what aliases stand for, so that a small file cannot become a large one.
    package static let mostValues = 100_000
    package static let deepest = 64

    /// - Parameter isJSON: whether it is read by the rules of JSON alone, which keeps how numbers and objects are written.
    /// - Throws: ``InvalidField``, named by a line where there is one.
    package init(_ text: String, isJSON: Bool) throws(InvalidField) {
        guard text.utf8.count <= Self.longest else {
            throw InvalidField("the file", "is longer than \(Self.longest) bytes")
        }
        if isJSON {
            self.value = try JSONValue(reading: Array(text.utf8), as: "the file", takesRepeated: false)
            self.lines = [:]
            return
        }
        let node: Node?
        do {
            // The rules of YAML 1.2 are ours: Yams has those of 1.1, where `no` is false.
            node = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw Self.fault(error, in: text)
        } catch {
            throw InvalidField("the file", "is no YAML")
        }
        guard let node else { throw InvalidField("the file", "is empty") }
        var reading = Reading()
        do throws(InvalidField) { self.value = try reading.value(node, at: "", depth: 0) } catch {
            guard let line = Self.line(of: error.field, in: reading.lines) else { throw error }
            throw InvalidField(error.field, "\(error.reason) (line \(line))")
        }
        self.lines = reading.lines
    }

    /// What is wrong with it, by its place and without a word of the text, in which secrets may stand.
    private static func fault(_ error: YamlError, in text: String) -> InvalidField {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let beginning = context.map { "\($0.text) from line \($0.mark.line), " } ?? ""
            return InvalidField(
                "the file", "is no YAML: line \(mark.line), column \(mark.column): \(beginning)\(problem)")
        case .reader(let problem, let offset, _, _):
            let line = offset.map { "line \(text.prefix($0).count(where: \.isNewline) + 1): " } ?? ""
            return InvalidField("the file", "is no YAML: \(line)\(problem)")
        case .duplicatedKeysInMapping(let names, let context):
            return InvalidField(
                "the file",
                "is no YAML: \(names.joined(separator: ", ")) stands twice in what has it in line \(context.mark.line)")
        default: return InvalidField("the file", "is no YAML")
        }
    }

    /// The line of what stands at a path, or of the nearest around it.
    package func line(of path: String) -> Int? { Self.line(of: path, in: self.lines) }

    private static func line(of path: String, in lines: [String: Int]) -> Int? {
        var path = path[...]
        while !path.isEmpty {
            if let line = lines[String(path)] { return line }
            guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
            path = path[..<end]
        }
        return nil
    }

    private struct Reading {
        var lines: [String: Int] = [:]
        private var count = 0

        mutating func value(_ node: Node, at path: String, depth: Int) throws(InvalidField) -> JSONValue {
            self.count += 1
            guard self.count <= DeclarationText.mostValues else {
                throw InvalidField("the file", "has over \(DeclarationText.mostValues) values, aliases included")
            }
            guard depth <= DeclarationText.deepest else {
                throw InvalidField(self.place(path), "is nested more than \(DeclarationText.deepest) deep")
            }
            if let line = node.mark?.line, self.lines[path] == nil { self.lines[path] = line }
            switch node {
            case .scalar(let scalar): return try self.scalar(scalar, at: path)
            case .sequence(let sequence):
                try self.check(sequence.tag, is: "tag:yaml.org,2002:seq", at: path)
                var values: [JSONValue] = []
                for (index, element) in sequence.enumerated() {
                    values.append(try self.value(element, at: "\(path)[\(index)]", depth: depth + 1))
                }
                return .array(values)
            case .mapping(let mapping):
                try self.check(mapping.tag, is: "tag:yaml.org,2002:map", at: path)
                var fields: JSONFields = [:]
                for (key, member) in mapping {
                    guard case .scalar(let scalar) = key else {
                        throw InvalidField(self.place(path), "has a name that is no text")
                    }
                    let name = scalar.string
                    guard name != "<<" || scalar.style != .plain else {
                        throw InvalidField(self.place(path), "has a merge key (<<), which YAML 1.2 does not have")
                    }
                    let place = path.isEmpty ? name : "\(path).\(name)"
                    if let line = key.mark?.line { self.lines[place] = line }
                    fields[name] = try self.value(member, at: place, depth: depth + 1)
                }
                return .object(fields)
            case .alias: throw InvalidField(self.place(path), "is an alias of nothing")
            }
        }

        /// Not which one: it may be a password that begins so.
        private static let strangeTag = "has a tag, which says nothing here; a text that begins with ! stands in quotes"

        private func place(_ path: String) -> String { path.isEmpty ? "the file" : path }

        private func scalar(_ scalar: Node.Scalar, at path: String) throws(InvalidField) -> JSONValue {
            guard !scalar.string.utf8.contains(0) else { throw InvalidField(path, "must not have a zero byte") }
            switch scalar.tag.rawValue {
            case "" where scalar.style == .plain: return try CoreSchema.value(scalar.string, at: self.place(path))
            case "", "!", "tag:yaml.org,2002:str": return .string(scalar.string)
            default:
                throw InvalidField(self.place(path), Self.strangeTag)
            }
        }

        private func check(_ tag: Tag, is expected: String, at path: String) throws(InvalidField) {
            let name = tag.rawValue
            guard name.isEmpty || name == "!" || name == expected else {
                throw InvalidField(self.place(path), Self.strangeTag)
            }
        }
    }
}
