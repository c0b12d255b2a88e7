internal import Domain
internal import Postgres

/// The rows of the log for a set of results: those that have something to tell one by one, and what succeeded at once
/// together, in arrays.
struct AttemptRows {
    private typealias Logged = (result: DeliveryResult, attempt: AttemptRecord)

    private struct Key: Hashable {
        let webhook: Int32
        let version: Int64
        let status: Int16
    }

    /// Fewer than this are not worth a row of arrays.
    private static let fewest = 4

    let insertions: [Query]

    init(_ results: [DeliveryResult]) {
        var single: [Logged] = []
        var together: [Key: [Logged]] = [:]
        for result in results {
            guard let attempt = result.attempt else { continue }
            if let key = Self.key(result, attempt) {
                together[key, default: []].append((result, attempt))
            } else {
                single.append((result, attempt))
            }
        }
        for (key, few) in together where few.count < Self.fewest {
            single += few
            together[key] = nil
        }
        var insertions: [Query] = []
        if !single.isEmpty { insertions.append(Self.insertion(single)) }
        if !together.isEmpty { insertions.append(Self.insertion(together)) }
        self.insertions = insertions
    }

    /// What an attempt that succeeded at once is kept with; nil for others.
    private static func key(_ result: DeliveryResult, _ attempt: AttemptRecord) -> Key? {
        guard case .succeeded = result.ending, result.delivery.attempts == 0, let status = attempt.status,
            attempt.target == nil, attempt.items.isEmpty
        else { return nil }
        let webhook = result.delivery.webhook
        return Key(webhook: webhook.key.rawValue, version: webhook.version, status: status)
    }

    private static func insertion(_ logged: [Logged]) -> Query {
        var times = ArrayParameter(of: PostgresTimestamp.self, count: logged.count, bytesPerElement: 8)
        var messages = ArrayParameter(of: Int64.self, count: logged.count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: logged.count)
        var webhooks = ArrayParameter(of: Int32.self, count: logged.count, bytesPerElement: 4)
        var latencies = ArrayParameter(of: Int32.self, count: logged.count, bytesPerElement: 4)
        var numbers = ArrayParameter(of: Int16.self, count: logged.count, bytesPerElement: 2)
        var statuses = ArrayParameter(of: Int16.self, count: logged.count, bytesPerElement: 2)
        var errors = ArrayParameter(of: String.self, count: logged.count, bytesPerElement: 0)
        var responses = ArrayParameter(of: Bytes.self, count: logged.count)
        for (result, attempt) in logged {
            times.append(PostgresTimestamp(microsecondsSince1970: attempt.at))
            messages.append((attempt.items.first ?? result.delivery.message.id).rawValue)
            things.append(result.delivery.message.thing)
            webhooks.append(result.delivery.webhook.key.rawValue)
            latencies.append(attempt.latencyMicroseconds)
            numbers.append(Int16(clamping: result.delivery.attempts + 1))
            if let status = attempt.status { statuses.append(status) } else { statuses.appendNull() }
            if let error = attempt.error { errors.append(error) } else { errors.appendNull() }
            if let response = attempt.response { responses.append(bytes: response) } else { responses.appendNull() }
        }
        let items = MessageIDLists(logged.map(\.attempt.items))
        return """
            INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, error, response,
                version, succeeded, target, items)
            SELECT t, m, th, w, l, n, st, er, re, v, su, ta, CASE WHEN e >= s THEN ids[s:e] END
            FROM (SELECT \(items.all) AS ids) AS lists,
                unnest(\(times.parameter), \(messages.parameter), \(things.parameter), \(webhooks.parameter),
                    \(latencies.parameter), \(numbers.parameter), \(statuses.parameter), \(errors.parameter),
                    \(responses.parameter), \(logged.map(\.result.delivery.webhook.version)),
                    \(logged.map(\.result.hasSucceeded)), \(array: logged.map(\.attempt.target)), \(items.starts),
                    \(items.ends)) AS r (t, m, th, w, l, n, st, er, re, v, su, ta, s, e)
            """
    }

    private static func insertion(_ together: [Key: [Logged]]) -> Query {
        let rows = together.map { $0 }
        let count = rows.reduce(0) { $0 + $1.value.count }
        var offsets = ArrayParameter(of: Int32.self, count: count, bytesPerElement: 4)
        var latencies = ArrayParameter(of: Int32.self, count: count, bytesPerElement: 4)
        var messages = ArrayParameter(of: Int64.self, count: count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: count)
        var responses = ArrayParameter(of: Bytes.self, count: count)
        var (firsts, lasts): ([PostgresTimestamp], [PostgresTimestamp]) = ([], [])
        var (firstMessages, lastMessages): ([Int64], [Int64]) = ([], [])
        var (starts, ends, answered): ([Int32], [Int32], [Bool]) = ([], [], [])
        var position: Int32 = 0
        for (_, logged) in rows {
            var (first, last) = (Int64.max, Int64.min)
            var (firstMessage, lastMessage) = (Int64.max, Int64.min)
            var hasResponse = false
            for (_, attempt) in logged { first = min(first, attempt.at) }
            for (result, attempt) in logged {
                let message = result.delivery.message
                last = max(last, attempt.at)
                firstMessage = min(firstMessage, message.id.rawValue)
                lastMessage = max(lastMessage, message.id.rawValue)
                offsets.append(Int32(clamping: attempt.at - first))
                latencies.append(attempt.latencyMicroseconds)
                messages.append(message.id.rawValue)
                things.append(message.thing)
                if let response = attempt.response {
                    responses.append(bytes: response)
                    hasResponse = true
                } else {
                    responses.appendNull()
                }
            }
            firsts.append(PostgresTimestamp(microsecondsSince1970: first))
            lasts.append(PostgresTimestamp(microsecondsSince1970: last))
            firstMessages.append(firstMessage)
            lastMessages.append(lastMessage)
            starts.append(position + 1)
            position += Int32(logged.count)
            ends.append(position)
            answered.append(hasResponse)
        }
        // An array of arrays would have to be rectangular, so each row's is a slice of one.
        return """
            INSERT INTO attempt_batches (webhook_key, version, status, first_at, last_at, first_message_id,
                last_message_id, attempts, offsets_us, latencies_us, message_ids, thing_ids, responses)
            SELECT w, v, st, fa, la, fm, lm, e - s + 1, o[s:e], l[s:e], m[s:e], t[s:e], CASE WHEN a THEN b[s:e] END
            FROM (SELECT \(offsets.parameter) AS o, \(latencies.parameter) AS l, \(messages.parameter) AS m,
                    \(things.parameter) AS t, \(responses.parameter) AS b) AS lists,
                unnest(\(rows.map(\.key.webhook)), \(rows.map(\.key.version)), \(rows.map(\.key.status)), \(firsts),
                    \(lasts), \(firstMessages), \(lastMessages), \(starts), \(ends), \(answered))
                    AS r (w, v, st, fa, la, fm, lm, s, e, a)
            """
    }
}
