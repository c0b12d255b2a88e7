import Testing

// What runs the built binary. The machine is small and these tests load it, but most of their time they wait: so there are three rows
// of about the same length, in each of which there is one at a time.

/// Messages on their way from the broker to their receivers.
@Suite(.serialized)
enum WholeServiceTests {}

/// What the API answers to whom.
@Suite(.serialized)
enum WholeAPITests {}

/// What owners and operators set up, and look at.
@Suite(.serialized)
enum WholeInstallationTests {}
