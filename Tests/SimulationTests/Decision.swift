/// What becomes of a call to the database.
enum Fate: CaseIterable {
    case answered
    /// It certainly has no effect.
    case failed
    /// It has its effect, and nobody is told.
    case answerLost
    /// It has its effect when the caller has gone on.
    case late
}

/// What a receiver says.
enum Reply: CaseIterable {
    case accepted, refused, rejectedForGood
    /// An error whose text the database does not take, with or without which it takes the result.
    case unspeakable
    /// A result that the database does not take at all but for what becomes of its delivery.
    case unwritable
}

/// One step of a schedule. It says all that it needs, so that a schedule is still one when others are left out; what makes
/// no sense in the state it meets does nothing.
enum Decision {
    case publish(thing: Int, to: Int, isPoison: Bool)
    case start(Int, Fate)
    case crash(Int)
    case stop(Int, Fate)
    case loseBroker(Int)
    case intake(Int, Fate)
    case adopt(Int, Fate)
    case claim(Int, webhook: Int, Fate)
    case send(Int, webhook: Int)
    case answer(Int, webhook: Int, Reply)
    case giveBack(Int, webhook: Int)
    case settle(Int, Fate)
    case renew(Int, Fate)
    case releaseExpired(Int, Fate)
    case askDue(Int, Fate)
    case audit(Int, Fate)
    /// An instance's clock is set, by so many seconds.
    case setClock(Int, Int64)
    /// Seconds go by.
    case pass(Int64)
    /// The oldest of what was late has its effect.
    case land
}

extension Decision: CustomStringConvertible {
    var description: String {
        switch self {
        case .publish(let thing, let to, let isPoison):
            "thing \(thing) publishes a message\(isPoison ? " that the database refuses" : "") (to subscriber \(to))"
        case .start(let id, let fate): "instance \(id) starts\(fate.words)"
        case .crash(let id): "instance \(id) crashes"
        case .stop(let id, let fate): "instance \(id) stops\(fate.words)"
        case .loseBroker(let id): "instance \(id) loses the broker"
        case .intake(let id, let fate): "instance \(id) goes on with intake\(fate.words)"
        case .adopt(let id, let fate): "instance \(id) goes on with what is abandoned\(fate.words)"
        case .claim(let id, let webhook, let fate): "instance \(id) goes on with a claim for \(webhook)\(fate.words)"
        case .send(let id, let webhook): "instance \(id) sends to webhook \(webhook)"
        case .answer(let id, let webhook, let reply): "webhook \(webhook) answers instance \(id): \(reply)"
        case .giveBack(let id, let webhook): "instance \(id) gives back what cannot go out soon to webhook \(webhook)"
        case .settle(let id, let fate): "instance \(id) records results\(fate.words)"
        case .renew(let id, let fate): "instance \(id) renews its lease\(fate.words)"
        case .releaseExpired(let id, let fate): "instance \(id) releases expired leases\(fate.words)"
        case .askDue(let id, let fate): "instance \(id) asks what is due\(fate.words)"
        case .audit(let id, let fate): "instance \(id) looks for leases that nobody holds\(fate.words)"
        case .setClock(let id, let seconds): "the clock of instance \(id) is set by \(seconds) s"
        case .pass(let seconds): "\(seconds) s go by"
        case .land: "what was late takes effect"
        }
    }
}

extension Fate {
    fileprivate var words: String {
        switch self {
        case .answered: ""
        case .failed: ", and the database cannot be reached"
        case .answerLost: ", and the answer is lost"
        case .late: ", and what was asked for takes effect late"
        }
    }
}
