/// How a batch of messages gets into the database whatever becomes of the answers: a value that is told what came of one
/// step and says the next. Who carries it out has the I/O.
///
/// - What may have been written, because its answer was lost, is written again in a way that changes nothing if it was.
/// - A batch that is refused for what it holds is halved until the message at fault is alone.
/// - A message is refused only if another in its place would be taken; otherwise it is the database that takes nothing,
///   and that is an outage: nothing is dropped, everything is tried again.
package struct CommitPlan: Sendable {
    package enum Step: Sendable, Equatable {
        /// To write these messages, by their places.
        case write(Range<Int>)
        /// To write them although they may be there.
        case writeAgain(Range<Int>)
        /// To see whether another message would be taken in the place of this one, without leaving it there.
        case probe(Int)
        /// The message can never be taken. The next step is the one that ``refused()`` answers.
        case refuse(Int)
        /// To wait, and then to do as ``waited()`` answers.
        case wait
        /// All is written or refused.
        case finished
        /// To give the messages other ids and begin anew, because some that they have are in use by others.
        case renumber
    }

    package enum Answer: Sendable, Equatable {
        case done
        /// For what it holds, and for certain: nothing was written.
        case refused
        /// A row with the same key is there, whosever it is.
        case occupied
        /// Rows with the same ids are there that say something else.
        case strangers
        /// Nothing was written, or nobody knows.
        case outage(isUncertain: Bool)
    }

    private var parts: [Range<Int>]
    /// Of the first part: whether it may be written already.
    private var isUncertain = false
    /// Of the first part, which is a single message: whether it was refused, so that it is to be found out whose fault
    /// that is.
    private var isSuspect = false

    /// - Parameter count: how many messages there are.
    package init(count: Int) {
        self.parts = count > 0 ? [0..<count] : []
    }

    package var next: Step {
        guard let part = self.parts.last else { return .finished }
        if self.isSuspect { return .probe(part.lowerBound) }
        return self.isUncertain ? .writeAgain(part) : .write(part)
    }

    /// What is not written for certain, and what of it may be.
    package var open: (parts: [Range<Int>], uncertain: Range<Int>?) {
        (self.parts, self.isUncertain ? self.parts.last : nil)
    }

    /// - Parameter answer: to the step that ``next`` is.
    package mutating func handle(_ answer: Answer) -> Step {
        if self.isSuspect { return self.handleProbe(answer) }
        switch answer {
        case .done:
            self.isUncertain = false
            self.parts.removeLast()
            return self.next
        case .refused:
            self.isUncertain = false
            return self.divide()
        case .occupied:
            // Ours, if the answer to an earlier try was lost; it is looked at whose they are.
            self.isUncertain = true
            return self.next
        case .strangers: return .renumber
        case .outage(let isUncertain):
            self.isUncertain = self.isUncertain || isUncertain
            return .wait
        }
    }

    private mutating func divide() -> Step {
        guard let part = self.parts.popLast() else { return .finished }
        guard part.count > 1 else {
            self.parts.append(part)
            self.isSuspect = true
            return self.next
        }
        let middle = part.lowerBound + part.count / 2
        self.parts += [middle..<part.upperBound, part.lowerBound..<middle]
        return self.next
    }

    private mutating func handleProbe(_ answer: Answer) -> Step {
        self.isSuspect = false
        guard case .done = answer, let part = self.parts.popLast() else { return .wait }
        return .refuse(part.lowerBound)
    }
}
