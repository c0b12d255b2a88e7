internal import Domain
internal import Postgres
internal import Schema
internal import Values

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
    static let fewest = 4

    let insertions: [Query]

    init(_ results: [DeliveryResult]) {
        // By their places: the results themselves are large to copy.
        var single: [Int] = []
        var places: [Key: Int] = [:]
        var together: [(key: Key, indices: [Int])] = []
        var last: (key: Key, place: Int)?
        for index in results.indices {
            guard let key = Self.key(of: results, at: index) else {
                if results[index].attempt != nil { single.append(index) }
                continue
            }
            if let last, last.key == key {
                together[last.place].indices.append(index)
                continue
            }
            let place = places[key] ?? together.count
            if place == together.count {
                together.append((key, []))
                places[key] = place
            }
            together[place].indices.append(index)
            last = (key, place)
        }
        single += together.filter { $0.indices.count < Self.fewest }.flatMap(\.indices)
        together.removeAll { $0.indices.count < Self.fewest }
        var insertions: [Query] = []
        if !single.isEmpty {
            insertions.append(
                Self.insertion(single.compactMap { index in results[index].attempt.map { (results[index], $0) } }))
        }
        if !together.isEmpty { insertions.append(Self.insertion(together, of: results)) }
        self.insertions = insertions
    }

    /// What an attempt that succeeded at once is kept with; nil for others.
    private static func key(of results: [DeliveryResult], at index: Int) -> Key? {
        guard results[index].hasSucceeded, results[index].delivery.attempts == 0,
            let status = results[index].attempt?.status, results[index].attempt?.peculiarities == nil
        else { return nil }
        let webhook = results[index].delivery.webhook
        return Key(webhook: webhook.key.rawValue, version: webhook.version, status: status)
    }

    private static func insertion(_ logged: [Logged]) -> Query {
        var times = ArrayParameter(of: Instant.self, count: logged.count, bytesPerElement: 8)
        var messages = ArrayParameter(of: Int64.self, count: logged.count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: logged.count)
        var webhooks = ArrayParameter(of: Int32.self, count: logged.count, bytesPerElement: 4)
        var groups = ArrayParameter(of: EntityID.self, count: logged.count)
        var latencies = ArrayParameter(of: Int32.self, count: logged.count, bytesPerElement: 4)
        var numbers = ArrayParameter(of: Int16.self, count: logged.count, bytesPerElement: 2)
        var statuses = ArrayParameter(of: Int16.self, count: logged.count, bytesPerElement: 2)
        var errors = ArrayParameter(of: String.self, count: logged.count, bytesPerElement: 0)
        var responses = ArrayParameter(of: Bytes.self, count: logged.count)
        for (result, attempt) in logged {
            times.append(attempt.at)
            messages.append((attempt.peculiarities?.items.first ?? result.delivery.message.id).rawValue)
            things.append(result.delivery.message.thing)
            webhooks.append(result.delivery.webhook.key.rawValue)
            groups.append(result.delivery.webhook.group)
            latencies.append(attempt.latencyMicroseconds)
            numbers.append(Int16(clamping: result.delivery.attempts + 1))
            if let status = attempt.status { statuses.append(status) } else { statuses.appendNull() }
            if let error = attempt.error { errors.append(error) } else { errors.appendNull() }
            if let response = attempt.response { responses.append(bytes: response) } else { responses.appendNull() }
        }
        let items = MessageIDLists(logged.map { $0.attempt.peculiarities?.items ?? [] })
        return """
            INSERT INTO attempts (at, message_id, thing_id, webhook_key, latency_us, number, status, error, response,
                version, succeeded, target, headers, items, group_id)
            SELECT t, m, th, w, l, n, st, er, re, v, su, ta, he, CASE WHEN e >= s THEN ids[s:e] END, g
            FROM (SELECT \(items.all) AS ids) AS lists,
                unnest(\(times.parameter), \(messages.parameter), \(things.parameter), \(webhooks.parameter),
                    \(latencies.parameter), \(numbers.parameter), \(statuses.parameter), \(errors.parameter),
                    \(responses.parameter), \(logged.map(\.result.delivery.webhook.version)),
                    \(logged.map(\.result.hasSucceeded)), \(array: logged.map { $0.attempt.peculiarities?.target }),
                    \(array: logged.map { $0.attempt.peculiarities?.headers?.text }), \(items.starts), \(items.ends),
                    \(groups.parameter)) AS r (t, m, th, w, l, n, st, er, re, v, su, ta, he, s, e, g)
            """
    }

    private static func insertion(_ rows: [(key: Key, indices: [Int])], of results: [DeliveryResult]) -> Query {
        let count = rows.reduce(0) { $0 + $1.indices.count }
        var offsets = ArrayParameter(of: Int32.self, count: count, bytesPerElement: 4)
        var latencies = ArrayParameter(of: Int32.self, count: count, bytesPerElement: 4)
        var messages = ArrayParameter(of: Int64.self, count: count, bytesPerElement: 8)
        var things = ArrayParameter(of: EntityID.self, count: count)
        var responses = ArrayParameter(of: Bytes.self, count: count)
        var (firsts, lasts): ([Instant], [Instant]) = ([], [])
        var (firstMessages, lastMessages): ([Int64], [Int64]) = ([], [])
        var (starts, ends, answered): ([Int32], [Int32], [Bool]) = ([], [], [])
        let groups = rows.map { results[$0.indices[0]].delivery.webhook.group }
        var position: Int32 = 0
        for (_, indices) in rows {
            var (first, last) = (Instant.last, Instant.first)
            var (firstMessage, lastMessage) = (Int64.max, Int64.min)
            var hasResponse = false
            for index in indices { first = min(first, results[index].attempt?.at ?? first) }
            for index in indices {
                guard let attempt = results[index].attempt else { continue }
                let message = results[index].delivery.message
                last = max(last, attempt.at)
                firstMessage = min(firstMessage, message.id.rawValue)
                lastMessage = max(lastMessage, message.id.rawValue)
                offsets.append(Int32(clamping: (attempt.at - first).wholeMicroseconds))
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
            firsts.append(first)
            lasts.append(last)
            firstMessages.append(firstMessage)
            lastMessages.append(lastMessage)
            starts.append(position + 1)
            position += Int32(indices.count)
            ends.append(position)
            answered.append(hasResponse)
        }
        // An array of arrays would have to be rectangular, so each row's is a slice of one.
        return """
            INSERT INTO attempt_batches (webhook_key, version, status, first_at, last_at, first_message_id,
                last_message_id, attempts, offsets_us, latencies_us, message_ids, thing_ids, responses, group_id)
            SELECT w, v, st, fa, la, fm, lm, e - s + 1, o[s:e], l[s:e], m[s:e], t[s:e], CASE WHEN a THEN b[s:e] END, g
            FROM (SELECT \(offsets.parameter) AS o, \(latencies.parameter) AS l, \(messages.parameter) AS m,
                    \(things.parameter) AS t, \(responses.parameter) AS b) AS lists,
                unnest(\(rows.map(\.key.webhook)), \(rows.map(\.key.version)), \(rows.map(\.key.status)), \(firsts),
                    \(lasts), \(firstMessages), \(lastMessages), \(starts), \(ends), \(answered), \(groups))
                    AS r (w, v, st, fa, la, fm, lm, s, e, a, g)
            """
    }
}
