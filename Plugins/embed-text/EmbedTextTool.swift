import Foundation

/// `embed-text OUTPUT FILE…` writes Swift that has the bytes of each file, which has to be UTF-8, as
/// `PackageResources.name_of_the_file`.
@main
struct EmbedTextTool {
    static func main() throws {
        let files = CommandLine.arguments.dropFirst().map { URL(filePath: $0) }
        guard let output = files.first else { throw Refusal(description: "there is no output") }
        try Data(try Self.code(of: files.dropFirst()).utf8).write(to: output)
    }

    static func code(of files: some Sequence<URL>) throws -> String {
        var code = "enum PackageResources {\n"
        var names: Set<String> = []
        for file in files {
            let name = Self.identifier(file.lastPathComponent)
            guard names.insert(name).inserted else { throw Refusal(description: "two files are named \(name)") }
            guard let text = String(validating: try Data(contentsOf: file), as: UTF8.self) else {
                throw Refusal(description: "\(file.path) is not UTF-8")
            }
            code += "    static let \(name) = [UInt8](\(Self.literal(text)).utf8)\n"
        }
        return code + "}\n"
    }

    /// As `.embedInCode` names them: `_001_initial_sql` of `0001_initial.sql`.
    static func identifier(_ name: String) -> String {
        let name = name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        return String(name.first?.isNumber == true ? ["_"] + name.dropFirst() : name)
    }

    /// A literal of several lines, in which nothing but its end and its escapes means something: more `#` than there are in the text.
    static func literal(_ text: String) -> String {
        var longest = 0
        var run = 0
        for byte in text.utf8 {
            run = byte == UInt8(ascii: "#") ? run + 1 : 0
            longest = max(longest, run)
        }
        let mark = String(repeating: "#", count: longest + 1)
        var escaped = ""
        for scalar in text.unicodeScalars {
            // The compiler reads CR LF as LF, and warns of what else is no character.
            if scalar.value < 0x20 && scalar != "\n" && scalar != "\t" || scalar.value == 0x7F {
                escaped += "\\\(mark)u{\(String(scalar.value, radix: 16))}"
            } else {
                escaped.unicodeScalars.append(scalar)
            }
        }
        return "\(mark)\"\"\"\n\(escaped)\n\"\"\"\(mark)"
    }

    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }
}
