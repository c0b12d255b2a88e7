/// A command's line as a shell hands it over for the completion of one of its words.
package struct TypedWords: Sendable, Equatable {
    private let words: [String]
    private let index: Int
    private let home: String?

    /// - Parameters:
    ///   - words: as they are written, with the shell's quotes. bash parts them at `=` and `:` too.
    ///   - index: which one is to be completed.
    ///   - home: the folder that `~` stands for.
    package init(_ words: [String], at index: Int, home: String? = nil) {
        self.words = words.map(Self.unquoted)
        self.index = index
        self.home = home
    }

    /// What there is of the word that is to be completed.
    package var begun: String { self.words.indices.contains(self.index) ? self.words[self.index] : "" }

    /// The word before that one; an option's name if it is about the option's value.
    package var before: String? {
        let earlier = self.words.prefix(max(0, self.index)).last
        guard earlier == "=" else { return earlier }
        return self.words.prefix(self.index - 1).last
    }

    /// What stands behind an option, before or after the word that is to be completed.
    package func value(of option: String) -> String? {
        for (place, word) in self.words.enumerated() where place != self.index {
            if word == option { return self.value(at: place + 1) }
            if word.hasPrefix("\(option)=") { return self.expanded(String(word.dropFirst(option.count + 1))) }
        }
        return nil
    }

    private func value(at place: Int) -> String? {
        var place = place
        if place < self.words.count, self.words[place] == "=" { place += 1 }
        guard place < self.words.count, place != self.index else { return nil }
        var value = self.words[place]
        // Put together again what bash has parted.
        while place + 1 < self.words.count, place + 1 != self.index {
            let next = self.words[place + 1]
            guard !next.isEmpty, next.allSatisfy({ $0 == ":" }) else { break }
            value += next
            place += 1
            guard place + 1 < self.words.count, place + 1 != self.index else { break }
            value += self.words[place + 1]
            place += 1
        }
        return self.expanded(value)
    }

    /// The kind that a command such as `delete` is told before the name.
    package var kind: ResourceKind? {
        for place in self.words.indices.prefix(max(0, self.index)).dropFirst(2) {
            // What stands behind an option is its value.
            if self.words[place - 1].hasPrefix("-") || self.words[place - 1] == "=" { continue }
            if let kind = ResourceKind(naming: self.words[place]) { return kind }
        }
        return nil
    }

    private func expanded(_ value: String) -> String {
        guard let home, value.hasPrefix("~/") else { return value }
        return home + value.dropFirst()
    }

    private static func unquoted(_ word: String) -> String {
        var (text, isEscaped, quote): (String, Bool, Character?) = ("", false, nil)
        for character in word {
            switch character {
            case _ where isEscaped:
                text.append(character)
                isEscaped = false
            case "\\" where quote != "'": isEscaped = true
            case "'", "\"":
                if quote == nil {
                    quote = character
                } else if quote == character {
                    quote = nil
                } else {
                    text.append(character)
                }
            default: text.append(character)
            }
        }
        return text
    }
}

/// A shell that asks what completes a word.
package enum CompletingShell: String, Sendable, CaseIterable {
    case bash, zsh, fish

    /// A word as the shell's completion script takes it for what it is.
    ///
    /// Names are others'. bash expands what `compgen -W` is given as if it had been typed, `$(…)` included.
    package func written(_ word: String) -> String {
        switch self {
        case .bash: "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
        // What stands behind a colon describes what stands before it.
        case .zsh: word.split(separator: ":", omittingEmptySubsequences: false).joined(separator: #"\:"#)
        case .fish: word
        }
    }
}
