/// What the simulation has found, and what is not mended yet. It looks away from these, each for itself, so that the rest can
/// be looked at; who mends one takes it away here.
enum Flaw: CaseIterable {
    /// Strict order is broken: a claim whose answer is lost leaves the beginning of a thing's line leased and not held, and
    /// what is behind it can be claimed; and a clock that is set back, or that of another instance, lets a later message
    /// fall due before an earlier one, or have a smaller id than one on its way.
    case overtaking
    /// A session that was taken for dead comes back without its marks: a settlement whose answer was lost counts twice.
    case lostMarks
    /// What is written for a session that is over already, or taken for dead without knowing it, stays leased to it.
    case strayLeases
}
