internal import ArgumentParser
internal import Configuration
internal import Domain
internal import LocalServices
internal import Values

/// A setting that cannot be used: which one, and why. Ends the program with 78 (`EX_CONFIG`).
struct InvalidSetting: Error, CustomStringConvertible {
    let setting: String
    let reason: String

    var description: String { "\(self.setting): \(self.reason)" }
}

/// Reads settings from flags, the environment and a file, and names the one at fault.
struct SettingsReader: Sendable {
    /// Where settings can come from, the first to win over the others.
    private struct Source: Sendable {
        let name: String
        let reader: ConfigReader

        init(_ name: String, _ provider: any ConfigProvider) {
            self.name = name
            self.reader = ConfigReader(providers: [provider])
        }

        func value(_ key: String, isSecret: Bool) -> String? {
            // Keys have underscores inside a part; flags and variables come from the same camel-case key.
            self.reader.string(forKey: SettingsReader.configKey(key), isSecret: isSecret)
        }
    }

    /// What a setting is, and who says so.
    struct Finding: Sendable, Unprintable {
        let value: String
        let origin: String
    }

    private let sources: [Source]

    /// - Parameters:
    ///   - arguments: what stands behind the command, such as `--http-port 9021`.
    ///   - overrides: values that win over everything, by variable.
    /// - Throws: ``InvalidSetting`` for a file that cannot be read, `ValidationError` for a flag that is none.
    init(arguments: [String], overrides: [String: String] = [:]) async throws {
        let (flags, file) = try Self.parse(arguments)
        var sources: [Source] = []
        if !overrides.isEmpty {
            sources.append(Source("hookline dev", EnvironmentVariablesProvider(environmentVariables: overrides)))
        }
        sources.append(Source("flag", CommandLineArgumentsProvider(arguments: ["hookline"] + flags)))
        sources.append(Source("environment", EnvironmentVariablesProvider()))
        if let file {
            sources.append(
                Source("file \(file)", EnvironmentVariablesProvider(environmentVariables: try Self.read(file))))
        }
        self.sources = sources
    }

    /// Takes the flags apart, so that a misspelt one is refused instead of ignored.
    private static func parse(_ arguments: [String]) throws -> (flags: [String], configFile: String?) {
        let known = Set(Setting.flags)
        var flags: [String] = []
        var configFile: String?
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            guard let flag = parts.first, known.contains(flag) else {
                let nearest = parts.first.flatMap { Spelling.nearest(to: $0, among: known) }
                throw ValidationError(
                    "Unknown option '\(parts.first ?? argument)'."
                        + (nearest.map { " Did you mean '\($0)'?" } ?? " See --help for the settings."))
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                throw ValidationError("Missing value for '\(flag)'.")
            }
            if flag == Setting.fileFlag { configFile = value } else { flags += [flag, value] }
        }
        return (flags, configFile)
    }

    /// The settings of a file that systemd may read as well (`EnvironmentFile`): quotes around a value are no part of it. One that
    /// is misspelt would be one that is not set.
    private static func read(_ file: String) throws(InvalidSetting) -> [String: String] {
        let known = Set(Setting.all.flatMap { $0.isSecret ? [$0.variable, $0.variable + "_FILE"] : [$0.variable] })
        let text = try Self.text(of: file, setting: "--config-file")
        // What is at a line's end would be a part of its value.
        guard !text.utf8.contains(UInt8(ascii: "\r")) else {
            throw InvalidSetting(setting: "--config-file", reason: "\(file) must have lines that end in LF, not CR LF")
        }
        var found: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            guard !line.isEmpty, !line.hasPrefix("#"), !line.hasPrefix(";") else { continue }
            guard let end = line.firstIndex(of: "=") else {
                throw InvalidSetting(
                    setting: "--config-file", reason: "line \(index + 1) of \(file) is no NAME=value")
            }
            let name = line[..<end].trimmed
            guard known.contains(name) else {
                throw InvalidSetting(
                    setting: name,
                    reason: "is no setting (in \(file))"
                        + (Spelling.nearest(to: name, among: known).map { "; did you mean \($0)?" } ?? ""))
            }
            let value = line[line.index(after: end)...].trimmed
            // systemd takes it off there, and at a line's end goes on with the next: the service would have another value.
            guard !value.contains("\\") || value.count >= 2 && value.hasPrefix("'") && value.hasSuffix("'") else {
                throw InvalidSetting(
                    setting: name,
                    reason: "has a backslash, which systemd takes off (line \(index + 1) of \(file)); "
                        + "what stands between single quotes is as it is")
            }
            found[name] = Self.unquoted(value)
        }
        return found
    }

    private static func unquoted(_ value: String) -> String {
        guard value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote else {
            return value
        }
        return String(value.dropFirst().dropLast())
    }

    // MARK: Values

    /// nil if it is not set, or empty.
    func string(_ key: String) throws -> String? {
        precondition(!Setting.all.contains { $0.key == key && $0.isSecret }, "\(key) is a secret")
        return try self.find(key)?.value
    }

    /// As ``string(_:)``, of a setting that nobody may print.
    func secret(_ key: String) throws -> Secret? {
        try self.find(key).map { Secret($0.value) }
    }

    /// As ``string(_:)``, and where it comes from.
    func find(_ key: String) throws -> Finding? {
        guard let setting = Setting.all.first(where: { $0.key == key }) else {
            preconditionFailure("\(key) is not in the table of settings")
        }
        // What a source says wins over all that those behind it say, be it the value itself or the file that it is in.
        var isEmpty = false
        for source in self.sources {
            if !isEmpty, let value = source.value(key, isSecret: setting.isSecret) {
                if !value.isEmpty { return Finding(value: value, origin: source.name) }
                // Nobody who names a file means none: without it TLS, or who is trusted, would be another.
                if key.hasSuffix("_file") { throw self.invalid(key, "names no file; without one it is left out") }
                isEmpty = true
            }
            guard setting.isSecret, let path = source.value(key + ".file", isSecret: false) else { continue }
            let text = try Self.text(of: path, setting: setting.variable + "_FILE")
            let trimmed = text.trimmingSuffix(while: \.isNewline)
            guard !trimmed.isEmpty else {
                throw InvalidSetting(setting: setting.variable + "_FILE", reason: "\(path) is empty")
            }
            return Finding(value: String(trimmed), origin: "\(path), named by \(source.name)")
        }
        return nil
    }

    /// Nobody sets for nothing what nothing looks at without another setting: that is missing, or misspelt where nobody knows all names.
    func refuseUseless() throws {
        for setting in Setting.all {
            guard let other = setting.needs, try self.find(setting.key) != nil, try self.find(other) == nil else {
                continue
            }
            let needed = Setting.all.first { $0.key == other }?.variable ?? other
            throw self.invalid(setting.key, "is of no use without \(needed), which is not set")
        }
    }

    private static func text(of path: String, setting: String) throws(InvalidSetting) -> String {
        try self.text(try self.bytes(of: path, setting: setting), of: path, setting: setting)
    }

    private static func text(_ bytes: [UInt8], of path: String, setting: String) throws(InvalidSetting) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw InvalidSetting(setting: setting, reason: "\(path) is no UTF-8")
        }
        // C would take what stands before it for the whole.
        guard !bytes.contains(0) else {
            throw InvalidSetting(setting: setting, reason: "\(path) has a zero byte")
        }
        return text
    }

    /// All that the system trusts is a quarter of a mebibyte; a device has no end.
    private static let largestFile = 4 << 20

    private static func bytes(of path: String, setting: String) throws(InvalidSetting) -> [UInt8] {
        guard !path.isEmpty else { throw InvalidSetting(setting: setting, reason: "names no file") }
        guard !Files.isFolder(path) else { throw InvalidSetting(setting: setting, reason: "\(path) is a folder") }
        do throws(UnreadableFile) {
            return try Files.bytes(of: path, upTo: Self.largestFile)
        } catch {
            throw InvalidSetting(setting: setting, reason: "\(path) \(error.reason)")
        }
    }

    /// What is in the file that the setting names, which is to hold something. Around what a PEM file is there for may stand texts of whatever
    /// encoding.
    func file(_ key: String) throws -> (path: String, bytes: [UInt8])? {
        guard let path = try self.string(key) else { return nil }
        let bytes = try Self.bytes(of: path, setting: self.invalid(key, "").setting)
        guard !bytes.allSatisfy({ " \t\r\n".utf8.contains($0) }) else { throw self.invalid(key, "\(path) is empty") }
        return (path, bytes)
    }

    /// As ``file(_:)``, of one that is a text.
    func textFile(_ key: String) throws -> String? {
        guard let (path, bytes) = try self.file(key) else { return nil }
        return try Self.text(bytes, of: path, setting: self.invalid(key, "").setting)
    }

    func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int) throws -> Int {
        guard let text = try self.string(key) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw self.invalid(key, "must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// - Parameters:
    ///   - shortest: with less the service would not do what the setting is for.
    ///   - longest: no time that is waited for or kept is longer than ten years.
    func duration(
        _ key: String, from shortest: Duration = .seconds(1), upTo longest: Duration = .tenYears,
        default fallback: Duration
    ) throws -> Duration {
        guard let text = try self.string(key) else { return fallback }
        guard let value = Duration(text: text), value >= shortest, value <= longest else {
            throw self.invalid(
                key,
                "must be a time such as 250ms, 5s, 10m, 2h or 7d, at least \(shortest.text) and at most \(longest.text)"
            )
        }
        return value
    }

    /// A short time that may be none.
    func wait(_ key: String, upTo longest: Duration, default fallback: Duration) throws -> Duration {
        guard let text = try self.string(key) else { return fallback }
        guard let value = Self.shortTime(text), value <= longest else {
            throw self.invalid(key, "must be a time up to \(longest.milliseconds)ms, such as 2ms or 800us, or 0")
        }
        return value
    }

    private static func shortTime(_ text: String) -> Duration? {
        // The unit of nothing does not matter.
        if text == "0" { return .zero }
        guard text.hasSuffix("us") else { return Duration(text: text) }
        let digits = text.dropLast(2)
        guard digits.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
        return UInt32(digits).map { .microseconds(Int64($0)) }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: Choice
    ) throws -> Choice where Choice.RawValue == String {
        guard let text = try self.string(key) else { return fallback }
        guard let value = Choice(rawValue: text) else {
            throw self.invalid(key, "must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    func invalid(_ key: String, _ reason: String) -> InvalidSetting {
        InvalidSetting(setting: Setting.all.first { $0.key == key }?.variable ?? key, reason: reason)
    }

    /// `mqtt.tls_ca_file` as the camel-case components that swift-configuration turns into `MQTT_TLS_CA_FILE` and
    /// `--mqtt-tls-ca-file`.
    fileprivate static func configKey(_ key: String) -> ConfigKey {
        ConfigKey(key.replacing("_", with: "."))
    }
}

extension String {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
        var rest = self[...]
        while let last = rest.last, predicate(last) { rest.removeLast() }
        return rest
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        String(self.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
