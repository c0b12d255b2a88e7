/// A rate, and what becomes of what is over it.
struct LimitedRate: Sendable, Equatable {
    var limit: RateLimit?
    var overflow: DeliveryPolicy.Overflow
    var perThing: ThingRate?
}

extension FieldKind where Value == LimitedRate {
    static var rate: FieldKind {
        FieldKind(
            .either(
                .number(RateLimit.rates),
                .object([
                    .init("per_second", .number(RateLimit.rates)), .init("burst", .integer(RateLimit.bursts)),
                    .init("overflow", .choice(of: DeliveryPolicy.Overflow.self)), .init("per_thing", ThingRate.form),
                ])),
            read: { (object, _) throws(InvalidField) in
                var perThing: ThingRate?
                if case .object? = object.fields["rate_limit"], let limit = try object.object("rate_limit") {
                    perThing = try ThingRate(limit)
                }
                return LimitedRate(
                    limit: try RateLimit(object), overflow: try DeliveryPolicy.Overflow(object), perThing: perThing)
            },
            write: { rate in
                guard rate.limit != nil || rate.perThing != nil else { return nil }
                var fields: JSONFields = [:]
                if let limit = rate.limit {
                    fields["per_second"] = JSONValue(limit.perSecond)
                    fields["burst"] = .integer(Int64(limit.burst))
                    fields["overflow"] = .string(rate.overflow.rawValue)
                }
                if let perThing = rate.perThing { fields["per_thing"] = perThing.json }
                return .object(fields)
            },
            check: { (rate, _) throws(InvalidField) in
                try rate.limit?.check()
                try rate.perThing?.check()
            })
    }
}

extension FieldKind where Value == Set<Int> {
    static var statuses: FieldKind {
        FieldKind(
            .list(.integer(200...599)),
            read: { (object, name) throws(InvalidField) in
                try object.integers(name).map { Set($0.map { Int(clamping: $0) }) }
            },
            write: { statuses in .array(statuses.sorted().map { .integer(Int64($0)) }) },
            check: { (statuses, name) throws(InvalidField) in
                guard statuses.allSatisfy({ (200...599).contains($0) }) else {
                    throw InvalidField(name, "must hold numbers from 200 to 599")
                }
                guard !statuses.contains(410) else {
                    throw InvalidField(name, "must not hold 410, which says that the webhook is gone for good")
                }
            })
    }
}

extension FieldKind where Value == [Int64] {
    /// Seconds.
    static var waits: FieldKind {
        FieldKind(
            .list(.integer(1...DeliveryPolicy.longestAge), 1...100),
            read: { (object, name) throws(InvalidField) in try object.integers(name) },
            write: { waits in .array(waits.map(JSONValue.integer)) },
            check: { (waits, name) throws(InvalidField) in
                guard (1...100).contains(waits.count),
                    waits.allSatisfy({ (1...DeliveryPolicy.longestAge).contains($0) })
                else { throw InvalidField(name, "must hold 1 to 100 waits of 1 to 2592000 seconds") }
            })
    }
}

extension DeliveryPolicy.Overflow {
    /// Of the `rate_limit` that the object has.
    fileprivate init(_ object: JSONObject) throws(InvalidField) {
        self = .wait
        guard case .object? = object.fields["rate_limit"], let limit = try object.object("rate_limit"),
            let text = try limit.string("overflow")
        else { return }
        guard let overflow = Self(rawValue: text) else {
            throw InvalidField(limit.name("overflow"), "must be wait, drop_oldest or latest_per_thing")
        }
        self = overflow
    }
}

extension RateLimit {
    /// `{"per_second", "burst"?}`, or the number alone. Who limits each thing need not limit all of them together.
    package init?(_ object: JSONObject) throws(InvalidField) {
        switch object.fields["rate_limit"] {
        case nil, .null?: return nil
        case .integer?, .number?:
            guard let number = try object.number("rate_limit") else { return nil }
            self.init(perSecond: number)
        case .some:
            guard let limit = try object.object("rate_limit") else { return nil }
            guard let perSecond = try limit.number("per_second") else {
                if try limit.object("per_thing") != nil, try limit.integer("burst") == nil { return nil }
                throw InvalidField(limit.name("per_second"), "is required")
            }
            self.init(perSecond: perSecond, burst: try limit.integer("burst").map { Int(clamping: $0) })
        }
    }
}
