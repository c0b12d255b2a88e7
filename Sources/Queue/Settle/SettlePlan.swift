package import Journal

/// How results get into the database whatever becomes of the answers: a value that is told what came of one step and says
/// the next. Who carries it out has the I/O.
///
/// - A settlement whose answer was lost is written again under the same number, and then changes nothing if it was written.
/// - One that is refused for what it holds is written without what goes back, which comes behind it, and halved until the result at
///   fault is alone; that one is written without its texts, and at last without anything but what becomes of its delivery. So no
///   result holds up any other.
package struct SettlePlan: Sendable {
    package enum Step: Sendable {
        case write(Settlement)
        /// To wait, and then to write again what ``SettlePlan/next`` says.
        case wait
        /// Nothing is left.
        case finished
    }

    package enum Answer: Sendable, Equatable {
        case done
        /// For what it holds, and for certain: nothing was written.
        case refused
        /// Nothing was written, or nobody knows.
        case outage
    }

    private var parts: [[DeliveryResult]] = []
    private var detail = SettlementDetail.whole
    private var number: Int64

    /// - Parameter number: of the first settlement.
    package init(number: Int64 = 1) {
        self.number = number
    }

    /// Has these written. To be called when all before them are.
    package mutating func add(_ results: [DeliveryResult]) {
        if !results.isEmpty { self.parts.append(results) }
    }

    package var next: Step {
        guard let part = self.parts.last else { return .finished }
        return .write(Settlement(results: part, number: self.number, detail: self.detail))
    }

    /// - Parameter answer: to the step that ``next`` is.
    package mutating func handle(_ answer: Answer) -> Step {
        switch answer {
        case .done:
            self.parts.removeLast()
            self.detail = .whole
            self.number += 1
            return self.next
        case .refused: return self.divide()
        case .outage: return .wait
        }
    }

    private mutating func divide() -> Step {
        guard let part = self.parts.last else { return .finished }
        guard part.count == 1 else {
            self.parts.removeLast()
            // What goes back holds nothing to refuse, and of a row it goes back at once (RecordingQueue).
            let (told, back) = (part.filter { !$0.goesBack }, part.filter(\.goesBack))
            guard told.isEmpty || back.isEmpty else {
                self.parts += [back, told]
                return self.next
            }
            let middle = part.count / 2
            self.parts += [Array(part[middle...]), Array(part[..<middle])]
            return self.next
        }
        switch self.detail {
        case .whole: self.detail = .withoutTexts
        case .withoutTexts: self.detail = .stateAlone
        // What is left are numbers of our own: then it is not this result that the database refuses.
        case .stateAlone: return .wait
        }
        return self.next
    }
}

extension DeliveryResult {
    fileprivate var goesBack: Bool { if case .released = self.ending { true } else { false } }
}
