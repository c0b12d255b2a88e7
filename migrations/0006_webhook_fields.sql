-- What makes webhooks fire besides messages, and a log of what became of it that can be read quickly.

ALTER TABLE webhooks
    ADD COLUMN trigger text NOT NULL DEFAULT 'MESSAGE',
    -- Seconds, for THING_SILENT.
    ADD COLUMN silent_after bigint,
    -- Whether its templates name things, so that instances keep the names of the group's things at hand.
    ADD COLUMN needs_names boolean NOT NULL DEFAULT false;
CREATE INDEX webhooks_of_events ON webhooks (group_id, trigger) WHERE trigger <> 'MESSAGE';

ALTER TABLE webhook_counters
    ADD COLUMN skipped bigint NOT NULL DEFAULT 0,
    -- It was disabled because of errors, and has not succeeded since.
    ADD COLUMN is_recovering boolean NOT NULL DEFAULT false;

ALTER TABLE orgs ADD COLUMN notification_url text;

-- The trigger that it is, if it is no publish. NULL for messages.
ALTER TABLE messages ADD COLUMN event text;
ALTER TABLE transient_messages ADD COLUMN event text;

-- A failed batch of messages is tried again as it was: those that were sent together have the same number, the id of the
-- first of them.
ALTER TABLE deliveries ADD COLUMN bundle_id bigint;

-- What happened and is not on its way yet. Written with the change itself, so nothing is missed.
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Given out beforehand where a caller was told it.
    message_id bigint,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    group_id uuid NOT NULL,
    thing_id uuid,
    -- Of the payload: the event's own members, or the whole of it if `is_payload` is set.
    details jsonb NOT NULL,
    is_payload boolean NOT NULL DEFAULT false,
    webhook_keys int[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);

-- The webhooks that an event fires, by group.
CREATE FUNCTION webhooks_of_event(kind text) RETURNS TABLE (group_id uuid, keys int[]) LANGUAGE sql STABLE AS $$
    SELECT w.group_id, array_agg(w.key) FROM webhooks AS w
    WHERE w.trigger = kind AND w.trigger <> 'MESSAGE' AND w.status <> 'DISABLED' GROUP BY w.group_id
$$;

CREATE FUNCTION note_things() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
    SELECT TG_ARGV[0], t.group_id, t.id, jsonb_build_object('thing_name', t.name, 'profile_id', t.profile_id), w.keys
    FROM changed AS t JOIN webhooks_of_event(TG_ARGV[0]) AS w USING (group_id);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM condition_memory WHERE thing_id IN (SELECT id FROM changed);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_insert AFTER INSERT ON things
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_things('THING_CREATED');
CREATE TRIGGER note_delete AFTER DELETE ON things
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_things('THING_REMOVED');

CREATE FUNCTION note_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, details, webhook_keys)
    SELECT TG_ARGV[0], m.group_id, jsonb_build_object('user_id', m.member_id, 'role', m.role), w.keys
    FROM changed AS m JOIN webhooks_of_event(TG_ARGV[0]) AS w USING (group_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_insert AFTER INSERT ON memberships
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_members('MEMBER_ADDED');
CREATE TRIGGER note_delete AFTER DELETE ON memberships
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_members('MEMBER_REMOVED');

CREATE FUNCTION note_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, details, webhook_keys)
    SELECT 'MEMBER_UPDATED', m.group_id,
        jsonb_build_object('user_id', m.member_id, 'role', m.role, 'former_role', b.role), w.keys
    FROM changed AS m JOIN before AS b USING (group_id, member_id)
        JOIN webhooks_of_event('MEMBER_UPDATED') AS w USING (group_id)
    WHERE m.role <> b.role;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_update AFTER UPDATE ON memberships
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_roles();

-- When a thing was heard of: first, and last where a webhook waits for its silence.
CREATE TABLE thing_activity (
    thing_id uuid PRIMARY KEY REFERENCES things ON DELETE CASCADE,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

CREATE FUNCTION note_first_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
    SELECT 'THING_FIRST_MESSAGE', t.group_id, t.id,
        jsonb_build_object('thing_name', t.name, 'profile_id', t.profile_id), w.keys
    FROM changed JOIN things AS t ON t.id = changed.thing_id
        JOIN webhooks_of_event('THING_FIRST_MESSAGE') AS w USING (group_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_insert AFTER INSERT ON thing_activity
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_first_messages();

-- Things that a webhook was told are silent, until they are back.
CREATE TABLE thing_silences (
    webhook_key int NOT NULL,
    thing_id uuid NOT NULL REFERENCES things ON DELETE CASCADE,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webhook_key, thing_id)
);
CREATE INDEX thing_silences_of_thing ON thing_silences (thing_id);

-- What conditions compare with: a value of a thing's earlier message, by the number of the rule.
CREATE TABLE condition_memory (
    webhook_key int NOT NULL,
    thing_id uuid NOT NULL,
    rule smallint NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (webhook_key, thing_id, rule)
) WITH (fillfactor = 70);
CREATE INDEX condition_memory_of_thing ON condition_memory (thing_id);

-- The log. A request that has something to tell has a row…
ALTER TABLE attempts
    -- Of the webhook when it was called.
    ADD COLUMN version bigint,
    -- Whether it succeeded; NULL in rows of earlier versions, where the status says it.
    ADD COLUMN succeeded boolean,
    -- Path and query, where they are not the same for all messages.
    ADD COLUMN target text,
    -- All the messages, where several were sent together; message_id is the first.
    ADD COLUMN items bigint[];
CREATE INDEX attempts_of_webhook ON attempts (webhook_key, at);
CREATE INDEX attempts_of_message ON attempts (message_id);

-- …and those that succeeded at once stand together, in the arrays of one row per webhook and transaction. That is a tenth
-- of the bytes and index entries.
CREATE TABLE attempt_batches (
    webhook_key int NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    attempts int NOT NULL,
    first_message_id bigint NOT NULL,
    last_message_id bigint NOT NULL,
    status smallint NOT NULL,
    version bigint NOT NULL,
    -- Microseconds since first_at.
    offsets_us int[] NOT NULL,
    latencies_us int[] NOT NULL,
    message_ids bigint[] NOT NULL,
    thing_ids uuid[] NOT NULL,
    -- The beginnings of the answers' bodies; NULL if all were empty.
    responses bytea[]
) PARTITION BY RANGE (last_at);
CREATE INDEX attempt_batches_of_webhook ON attempt_batches (webhook_key, last_at);
CREATE TABLE attempt_batches_default PARTITION OF attempt_batches DEFAULT;

-- Messages that did not meet a webhook's conditions. Of many at a time only some; the counter has all.
CREATE TABLE skips (
    at timestamptz NOT NULL,
    webhook_key int NOT NULL,
    message_id bigint NOT NULL,
    thing_id uuid NOT NULL,
    reason text NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX skips_of_webhook ON skips (webhook_key, at);
CREATE TABLE skips_default PARTITION OF skips DEFAULT;

DO $$
BEGIN
    ALTER TABLE attempt_batches ALTER COLUMN thing_ids SET COMPRESSION lz4, ALTER COLUMN message_ids SET COMPRESSION lz4,
        ALTER COLUMN offsets_us SET COMPRESSION lz4, ALTER COLUMN latencies_us SET COMPRESSION lz4,
        ALTER COLUMN responses SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;

-- Counts and latencies by minute and by hour.
CREATE TABLE webhook_stats (
    webhook_key int NOT NULL,
    -- 'm' or 'h'.
    period "char" NOT NULL,
    start timestamptz NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    skipped bigint NOT NULL,
    -- How many requests took how long, see LatencyBuckets.
    latencies bigint[] NOT NULL,
    PRIMARY KEY (webhook_key, period, start)
) WITH (fillfactor = 70);

-- What users are to be told, until they are.
CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    users text[] NOT NULL,
    url text,
    payload jsonb NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 0
);
