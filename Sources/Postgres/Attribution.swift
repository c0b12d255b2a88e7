/// Who makes the changes that a task makes, for triggers of the database to note: the value of a setting of the session.
///
/// It goes with the task, so whatever is changed on its behalf is noted as theirs, by whichever connection.
package enum Attribution {
    package static let setting = "hookline.actor"

    /// nil leaves it at what the connection was opened with.
    @TaskLocal package static var current: String?

    static func statement(_ value: String?) -> Query {
        value.map { "SELECT set_config('hookline.actor', \($0), false)" } ?? "RESET hookline.actor"
    }
}
