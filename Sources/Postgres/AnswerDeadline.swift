/// When somebody who waits for answers of the database ceases to: what is asked for a task by then ends then
/// (``PostgresError/Kind/timeout``), and what would wait for a connection does so no longer.
///
/// It goes with the task, so it holds for whatever is asked on its behalf, by whichever connection.
package enum AnswerDeadline {
    /// nil leaves statements and pools their own.
    @TaskLocal package static var current: ContinuousClock.Instant?
}
