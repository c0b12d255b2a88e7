package import Logging

/// For what a test does not look at.
package let silentLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
