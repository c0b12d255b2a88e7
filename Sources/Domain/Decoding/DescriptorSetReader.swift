/// Reads a `FileDescriptorSet` (google/protobuf/descriptor.proto), as `protoc --include_imports --descriptor_set_out` makes it.
///
/// By the reader of the wire format that there is anyway: swift-protobuf has no messages that are known only when it runs, and of the
/// descriptors' own messages little is needed.
struct DescriptorSetReader {
    /// In bytes.
    static let longest = 256 * 1024
    static let (mostTypes, mostFields, mostValues, deepest) = (2_000, 10_000, 10_000, 32)
    private static let longestName = 200

    private let bytes: [UInt8]
    private var types = DescribedTypes()
    private var enumerationsByName: [String: Int] = [:]
    /// Of the messages, in their order.
    private var declared: [[Declaration]] = []
    private var (fieldCount, valueCount) = (0, 0)

    private struct Declaration {
        var name = ""
        var number: UInt64 = 0
        var isRepeated = false
        var type: UInt64 = 0
        var typeName = ""
        var oneof: UInt64?
        var jsonName: String?
        /// Whether JSON has it where it is absent, if it is a single value.
        var isImplicit: Bool
    }

    static func read(_ bytes: [UInt8]) throws(DecodingFault) -> DescribedTypes {
        guard bytes.count <= Self.longest else { throw DecodingFault("it is longer than \(Self.longest) bytes") }
        var reader = DescriptorSetReader(bytes)
        for file in try reader.fields(0..<bytes.count) where file.number == 1 {
            try reader.file(try Self.range(of: file))
        }
        guard !reader.types.messages.isEmpty else { throw DecodingFault("there is no message in it") }
        return try reader.resolved()
    }

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    // MARK: The wire

    private func fields(_ range: Range<Int>) throws(DecodingFault) -> [WireField] {
        var input = ByteInput(self.bytes, range)
        var fields: [WireField] = []
        while !input.isAtEnd { fields.append(try input.field()) }
        return fields
    }

    private static func range(of field: WireField) throws(DecodingFault) -> Range<Int> {
        guard field.wire == 2 else {
            throw DecodingFault("field \(field.number) has the wire type \(field.wire)", at: field.offset)
        }
        return field.range
    }

    private static func number(of field: WireField) throws(DecodingFault) -> UInt64 {
        guard field.wire == 0 else {
            throw DecodingFault("field \(field.number) has the wire type \(field.wire)", at: field.offset)
        }
        return field.value
    }

    private func text(of field: WireField) throws(DecodingFault) -> String {
        let range = try Self.range(of: field)
        guard let text = String(validating: self.bytes[range], as: UTF8.self) else {
            throw DecodingFault("a name is no UTF-8", at: field.offset)
        }
        guard text.utf8.count <= Self.longestName else {
            throw DecodingFault("a name is longer than \(Self.longestName) bytes", at: field.offset)
        }
        return text
    }

    private func name(of field: WireField) throws(DecodingFault) -> String {
        let text = try self.text(of: field)
        let isName = text.utf8.allSatisfy { $0.isLetterOrDigit || $0 == UInt8(ascii: "_") }
        guard isName, let first = text.utf8.first, !(0x30...0x39).contains(first) else {
            throw DecodingFault("a name is not made of letters, digits and _", at: field.offset)
        }
        return text
    }

    /// What editions say of a field's presence: 1 is explicit, 2 implicit.
    private func presence(in options: Range<Int>, features: UInt64) throws(DecodingFault) -> UInt64? {
        var presence: UInt64?
        for option in try self.fields(options) where option.number == features && option.wire == 2 {
            for feature in try self.fields(option.range) where feature.number == 1 && feature.wire == 0 {
                presence = feature.value
            }
        }
        return presence
    }

    // MARK: What is declared

    private mutating func file(_ range: Range<Int>) throws(DecodingFault) {
        var (prefix, syntax, presence): (String, String, UInt64?) = ("", "proto2", nil)
        var (messages, enumerations): ([Range<Int>], [Range<Int>]) = ([], [])
        for field in try self.fields(range) {
            switch field.number {
            case 2: prefix = try self.text(of: field)
            case 4: messages.append(try Self.range(of: field))
            case 5: enumerations.append(try Self.range(of: field))
            case 8: presence = try self.presence(in: try Self.range(of: field), features: 50) ?? presence
            case 12: syntax = try self.text(of: field)
            default: break
            }
        }
        let isImplicit = syntax == "proto3" || syntax == "editions" && presence == 2
        for message in messages { try self.message(message, prefix, isImplicit: isImplicit, 0) }
        for enumeration in enumerations { try self.enumeration(enumeration, prefix) }
    }

    private static func full(_ prefix: String, _ name: String) throws(DecodingFault) -> String {
        let full = prefix.isEmpty ? name : "\(prefix).\(name)"
        guard full.utf8.count <= Self.longestName else {
            throw DecodingFault("the name of a type is longer than \(Self.longestName) bytes")
        }
        return full
    }

    private mutating func message(
        _ range: Range<Int>, _ prefix: String, isImplicit: Bool, _ depth: Int
    ) throws(DecodingFault) {
        guard depth < Self.deepest else {
            throw DecodingFault("types are nested deeper than \(Self.deepest)", at: range.lowerBound)
        }
        var (name, isMapEntry) = ("", false)
        var (messages, enumerations): ([Range<Int>], [Range<Int>]) = ([], [])
        var declarations: [Declaration] = []
        for field in try self.fields(range) {
            switch field.number {
            case 1: name = try self.name(of: field)
            case 2: declarations.append(try self.declaration(try Self.range(of: field), isImplicit: isImplicit))
            case 3: messages.append(try Self.range(of: field))
            case 4: enumerations.append(try Self.range(of: field))
            case 7:
                for option in try self.fields(try Self.range(of: field)) where option.number == 7 {
                    isMapEntry = try Self.number(of: option) != 0
                }
            default: break
            }
        }
        guard !name.isEmpty else { throw DecodingFault("a message has no name", at: range.lowerBound) }
        let full = try Self.full(prefix, name)
        guard self.types.messagesByName.updateValue(self.types.messages.count, forKey: full) == nil else {
            throw DecodingFault("\(full) is in it twice")
        }
        self.types.messages.append(DescribedMessage(name: full, isMapEntry: isMapEntry))
        self.declared.append(declarations)
        try self.checkTypeCount()
        for message in messages { try self.message(message, full, isImplicit: isImplicit, depth + 1) }
        for enumeration in enumerations { try self.enumeration(enumeration, full) }
    }

    private func checkTypeCount() throws(DecodingFault) {
        guard self.types.messages.count + self.types.enumerations.count <= Self.mostTypes else {
            throw DecodingFault("there are over \(Self.mostTypes) types in it")
        }
    }

    private mutating func declaration(_ range: Range<Int>, isImplicit: Bool) throws(DecodingFault) -> Declaration {
        self.fieldCount += 1
        guard self.fieldCount <= Self.mostFields else {
            throw DecodingFault("there are over \(Self.mostFields) fields in it")
        }
        var declaration = Declaration(isImplicit: isImplicit)
        for field in try self.fields(range) {
            switch field.number {
            case 1: declaration.name = try self.name(of: field)
            case 3: declaration.number = try Self.number(of: field)
            case 4: declaration.isRepeated = try Self.number(of: field) == 3
            case 5: declaration.type = try Self.number(of: field)
            case 6: declaration.typeName = try self.text(of: field)
            case 8:
                if let presence = try self.presence(in: try Self.range(of: field), features: 21) {
                    declaration.isImplicit = presence == 2
                }
            case 9: declaration.oneof = try Self.number(of: field)
            case 10: declaration.jsonName = try self.text(of: field)
            default: break
            }
        }
        guard !declaration.name.isEmpty else { throw DecodingFault("a field has no name", at: range.lowerBound) }
        guard declaration.number > 0, declaration.number < 1 << 29 else {
            throw DecodingFault("the field \(declaration.name) has the number \(declaration.number)")
        }
        return declaration
    }

    private mutating func enumeration(_ range: Range<Int>, _ prefix: String) throws(DecodingFault) {
        var name = ""
        var values: [(name: String, number: Int32)] = []
        for field in try self.fields(range) {
            switch field.number {
            case 1: name = try self.name(of: field)
            case 2:
                self.valueCount += 1
                guard self.valueCount <= Self.mostValues else {
                    throw DecodingFault("there are over \(Self.mostValues) values of enumerations in it")
                }
                var value: (name: String, number: Int32) = ("", 0)
                for part in try self.fields(try Self.range(of: field)) {
                    switch part.number {
                    case 1: value.name = try self.name(of: part)
                    case 2: value.number = Int32(truncatingIfNeeded: try Self.number(of: part))
                    default: break
                    }
                }
                values.append(value)
            default: break
            }
        }
        guard !name.isEmpty else { throw DecodingFault("an enumeration has no name", at: range.lowerBound) }
        let full = try Self.full(prefix, name)
        guard self.enumerationsByName.updateValue(self.types.enumerations.count, forKey: full) == nil else {
            throw DecodingFault("\(full) is in it twice")
        }
        var enumeration = DescribedEnumeration(name: full, first: values.first?.number ?? 0)
        // Of names for the same number the first is the one.
        for value in values where enumeration.names[value.number] == nil {
            enumeration.names[value.number] = Array("\"\(value.name)\"".utf8)
        }
        self.types.enumerations.append(enumeration)
        try self.checkTypeCount()
    }

    // MARK: What it refers to

    private func resolved() throws(DecodingFault) -> DescribedTypes {
        var types = self.types
        for (index, declarations) in self.declared.enumerated() {
            var message = types.messages[index]
            for declaration in declarations {
                let field = try self.field(declaration, of: message, types)
                guard message.places.updateValue(message.fields.count, forKey: field.number) == nil else {
                    throw DecodingFault("\(message.name) has two fields with the number \(field.number)")
                }
                if field.absent != nil { message.shownAbsent.append(message.fields.count) }
                message.hasOneofs = message.hasOneofs || field.oneof != nil
                message.fields.append(field)
            }
            types.messages[index] = message
        }
        for message in types.messages where message.isMapEntry {
            let isEntry =
                message.places[1].map { message.fields[$0].kind.isMapKey && !message.fields[$0].isRepeated } == true
                && message.places[2].map { !message.fields[$0].isRepeated } == true
            guard isEntry else { throw DecodingFault("\(message.name) is no entry of a map") }
        }
        for index in types.messages.indices {
            let message = types.messages[index]
            if let known = WellKnownMessage(rawValue: message.name), known.isDeclared(by: message, in: types) {
                types.messages[index].wellKnown = known
            }
        }
        return types
    }

    private func field(
        _ declaration: Declaration, of message: DescribedMessage, _ types: DescribedTypes
    ) throws(DecodingFault) -> DescribedField {
        let kind = try self.kind(of: declaration, in: message)
        var key: [UInt8] = []
        key.appendQuoted(declaration.jsonName ?? Self.camelCase(declaration.name))
        key.append(UInt8(ascii: ":"))
        var field = DescribedField(
            name: declaration.name, number: declaration.number, key: key, kind: kind,
            isRepeated: declaration.isRepeated, oneof: declaration.oneof)
        switch kind {
        case .message(let index):
            field.isMap = declaration.isRepeated && types.messages[index].isMapEntry
            if field.isRepeated { field.absent = Array((field.isMap ? "{}" : "[]").utf8) }
        default:
            if field.isRepeated {
                field.absent = Array("[]".utf8)
            } else if declaration.isImplicit, field.oneof == nil {
                field.absent = types.zero(of: kind)
            }
        }
        return field
    }

    /// `snake_case` as Protocol Buffers have it in JSON.
    private static func camelCase(_ name: String) -> String {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(String(parts.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }

    private func kind(
        of declaration: Declaration, in message: DescribedMessage
    ) throws(DecodingFault) -> DescribedField.Kind {
        let simple: [UInt64: DescribedField.Kind] = [
            1: .double, 2: .float, 3: .int64, 4: .uint64, 5: .int32, 6: .fixed64, 7: .fixed32, 8: .bool, 9: .string,
            12: .bytes, 13: .uint32, 15: .sfixed32, 16: .sfixed64, 17: .sint32, 18: .sint64,
        ]
        if let kind = simple[declaration.type] { return kind }
        let at = "\(message.name).\(declaration.name)"
        let name = declaration.typeName.hasPrefix(".") ? String(declaration.typeName.dropFirst()) : declaration.typeName
        switch declaration.type {
        case 10, 11:
            if let index = self.types.messagesByName[name] { return .message(index) }
        case 14:
            if let index = self.enumerationsByName[name] { return .enumeration(index) }
        default: throw DecodingFault("\(at) has the type \(declaration.type), which there is not")
        }
        throw DecodingFault("\(name), the type of \(at), is not in it: protoc puts it there with --include_imports")
    }
}
