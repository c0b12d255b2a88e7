-- Inbound webhooks: where outside systems post what becomes a thing's message.

CREATE TABLE sources (
    id uuid PRIMARY KEY,
    key int GENERATED ALWAYS AS IDENTITY UNIQUE,
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    thing_id uuid NOT NULL REFERENCES things ON DELETE CASCADE,
    name varchar(254) NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    settings jsonb NOT NULL,
    -- SHA-256 of the API key, which is shown once and kept nowhere. NULL if it is signatures that are asked for.
    key_hash bytea,
    -- What signatures are checked with, sealed (see SecretBox); NULL with an API key.
    secret bytea,
    secret_key int,
    -- Set while somebody waits for an event to see what it looks like.
    listening_until timestamptz,
    heard text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sources_name UNIQUE (group_id, name)
);
CREATE INDEX sources_of_thing ON sources (thing_id);

CREATE TABLE source_counters (
    source_key int PRIMARY KEY,
    accepted bigint NOT NULL DEFAULT 0,
    ignored bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    last_event_at timestamptz
) WITH (fillfactor = 50);

-- Accepted and not yet on the bus.
CREATE TABLE source_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_key int NOT NULL,
    thing_id uuid NOT NULL,
    subtopic text NOT NULL,
    payload bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    -- An event that the bus does not take is tried again later, and does not hold up the others.
    due_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
CREATE INDEX source_events_due ON source_events (due_at, id);

-- Ids of events that were accepted, to recognize them when they come again.
CREATE TABLE source_event_ids (
    source_key int NOT NULL,
    -- SHA-256 of the id.
    event_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (source_key, event_hash)
);
CREATE INDEX source_event_ids_expiry ON source_event_ids (expires_at);

CREATE TABLE source_log (
    at timestamptz NOT NULL,
    source_key int NOT NULL,
    -- accepted, repeated, ignored, invalid, unauthorized, limited.
    outcome text NOT NULL,
    reason text,
    event_id text,
    subtopic text,
    bytes int NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX source_log_of_source ON source_log (source_key, at);
CREATE TABLE source_log_default PARTITION OF source_log DEFAULT;
