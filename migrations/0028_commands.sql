-- What is sent to things: it stays until the broker has it for somebody, and with what came of it for a while after that.
CREATE TABLE commands (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    group_id uuid NOT NULL,
    thing_id uuid NOT NULL,
    subtopic text NOT NULL,
    payload bytea NOT NULL,
    content_type text,
    -- A later one with the same takes its place for as long as nobody has it.
    key text,
    -- now, when_seen or until_answered.
    deliver text NOT NULL,
    is_retained boolean NOT NULL,
    -- Whose: a user's id, or a webhook's if its receiver sent it.
    created_by text NOT NULL,
    by_receiver boolean NOT NULL,
    -- How many commands led to this one, each by its answer.
    hops smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- pending, published, answered, expired, cancelled, replaced or refused.
    state text NOT NULL DEFAULT 'pending',
    -- When there is something to do at the broker: to publish it, or, of one that has ended, to take it off its topic.
    due_at timestamptz,
    -- It is due when something is heard of the thing from then on.
    awaits_from timestamptz,
    -- Until when an instance has it in hand.
    claimed_until timestamptz,
    -- How often the broker was given it.
    tries int NOT NULL DEFAULT 0,
    -- When the broker had it for somebody last.
    published_at timestamptz,
    ended_at timestamptz,
    answer bytea,
    problem text
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
CREATE INDEX commands_of_thing ON commands (thing_id, number);
CREATE INDEX commands_pending ON commands (group_id) WHERE state = 'pending';
CREATE INDEX commands_due ON commands (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX commands_claimed ON commands (thing_id) WHERE claimed_until IS NOT NULL;
CREATE INDEX commands_awaiting ON commands (thing_id) WHERE awaits_from IS NOT NULL;
CREATE INDEX commands_open ON commands (expires_at) WHERE ended_at IS NULL;
CREATE INDEX commands_ended ON commands (ended_at) WHERE ended_at IS NOT NULL;

-- What the installation signs with that nobody else is to know.
CREATE TABLE installation_secrets (
    id uuid PRIMARY KEY,
    purpose text NOT NULL UNIQUE,
    -- Sealed (see SecretBox).
    secrets bytea NOT NULL,
    secrets_key int
);
