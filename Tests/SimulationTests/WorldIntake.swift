import Domain
import Queue
import Schema

// What `IntakeService`, `BatchWriter` and `Adopter` do, step by step.
extension World {
    func goOn(_ instance: Instance, _ link: Link, _ fate: Fate) {
        if let work = link.work { return self.carryOut(work, instance, link, fate) }
        guard let connection = link.connection, self.broker.isConnected(link.client, connection) else {
            link.taken = []
            link.connection = self.broker.connect(link.client, subscribes: !link.isAdopted)
            return
        }
        self.acknowledge(link)
        let batch = self.broker.receive(link.client, upTo: 4)
        if !batch.isEmpty { self.take(batch, instance, link, fate, renumbered: 0) }
    }

    func acknowledge(_ link: Link) {
        self.checkAcknowledged(link.taken)
        self.broker.acknowledge(link.client, link.taken)
        link.taken = []
    }

    private func take(
        _ batch: [Publication], _ instance: Instance, _ link: Link, _ fate: Fate, renumbered: Int
    ) {
        if self.mistake == .acknowledgesBeforeCommit {
            link.taken = batch
            self.acknowledge(link)
        }
        let messages = zip(batch, instance.ids.next(batch.count)).map { Message($0, id: $1) }
        let former = instance.unresolved.former(of: messages)
        if !former.isEmpty {
            guard case .value = self.database.call(fate, { $0.forget(former) }) else {
                return self.giveUp(link)
            }
            instance.unresolved.settle(messages)
        }
        let deliveries = messages.flatMap { message in
            self.webhooks.map { Delivery(message: message, webhook: $0) }
        }
        let handedOver = instance.handedOver
        let reservation = Reservation(deliveries, in: instance.ledger) { handedOver.add($0, $1) }
        link.work = Link.Work(batch, messages, reservation, renumbered: renumbered)
    }

    private func giveUp(_ link: Link) {
        if let connection = link.connection { self.broker.disconnect(link.client, connection) }
        link.work = nil
        link.connection = nil
    }

    private func carryOut(_ work: Link.Work, _ instance: Instance, _ link: Link, _ fate: Fate) {
        switch work.step {
        case .write(let part):
            work.begin(part)
            self.commit(part, of: work, instance, fate, isRepeat: false)
        case .writeAgain(let part): self.commit(part, of: work, instance, fate, isRepeat: true)
        case .probe:
            // The model takes all but poison.
            guard case .value = self.database.call(fate, { _ in }) else {
                work.handle(.outage(isUncertain: true))
                break
            }
            work.handle(.done)
        case .refuse(let place):
            work.reservation.withdraw(work.ids(place..<(place + 1)))
            work.step = work.plan.next
        case .wait:
            work.waits += 1
            guard work.waits > 3 else {
                work.step = work.plan.next
                break
            }
            if let part = work.plan.open.uncertain {
                instance.unresolved.note(work.messages[part])
                work.reservation.doubt()
            }
            return self.giveUp(link)
        case .renumber:
            guard work.isUntouched, work.renumbered < 2 else { return self.giveUp(link) }
            link.work = nil
            return self.take(work.batch, instance, link, .answered, renumbered: work.renumbered + 1)
        case .finished: break
        }
        guard work.step == .finished else { return }
        link.work = nil
        link.taken = work.batch
    }

    private func commit(_ part: Range<Int>, of work: Link.Work, _ instance: Instance, _ fate: Fate, isRepeat: Bool) {
        let commit = IntakeStore.Commit(messages: Array(work.messages[part]), deliveries: work.batches)
        let (session, now) = (instance.identity.id, instance.clock.microseconds)
        let isEarly = self.mistake == .handsOverBeforeCommit && !isRepeat
        if isEarly { work.reservation.commit(work.batches, of: work.ids(part)) }
        var answer: CommitPlan.Answer
        switch self.database.call(fate, { $0.commit(commit, of: session, now: now, isRepeat: isRepeat) }) {
        case .value(.done): answer = .done
        case .value(.refused): answer = .refused
        case .value(.occupied): answer = .occupied
        case .value(.strangers): answer = .strangers
        case .outage(let isUncertain): answer = .outage(isUncertain: isUncertain)
        }
        if answer == .refused, self.mistake == .refusesNeighbours { answer = .done }
        if answer == .done, !isEarly { work.reservation.commit(work.batches, of: work.ids(part)) }
        instance.acceptHandedOver()
        work.handle(answer)
    }

    // MARK: Abandoned clients

    func adopt(_ instance: Instance, _ fate: Fate) {
        let session = instance.identity.id
        guard let link = instance.adoption else {
            guard case .value(let client?) = self.database.call(fate, { $0.adopt(by: session) }) else { return }
            instance.adoption = Link(client: client, isAdopted: true)
            return
        }
        let isNew = link.connection == nil
        if !isNew, link.work == nil {
            guard let connection = link.connection, self.broker.isConnected(link.client, connection),
                self.database.isAbandoned(link.client, to: session)
            else { return self.leave(instance, link, isDone: false, fate) }
        }
        self.goOn(instance, link, fate)
        if !isNew, link.connection == nil { return self.leave(instance, link, isDone: false, fate) }
        if !isNew, link.work == nil, link.taken.isEmpty {
            self.broker.end(link.client)
            self.leave(instance, link, isDone: true, fate)
        }
    }

    private func leave(_ instance: Instance, _ link: Link, isDone: Bool, _ fate: Fate) {
        let (client, session) = (link.client, instance.identity.id)
        self.giveUp(link)
        instance.adoption = nil
        _ = self.database.call(fate) { $0.leave(client, by: session, isDone: isDone) }
    }
}

extension Message {
    fileprivate convenience init(_ publication: Publication, id: MessageID) {
        self.init(
            id: id, thing: EntityID(high: 1, low: UInt64(publication.thing)), group: EntityID(high: 2, low: 0),
            subtopic: "", contentType: "a/b",
            payload: [publication.isPoison ? ModelDatabase.poison : 1, UInt8(publication.number)], traceparent: nil,
            isKept: false, receivedNanoseconds: nil)
    }

    /// Which of the publications it is.
    var number: Int { Int(self.payload[1]) }
}
