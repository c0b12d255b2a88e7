-- Who may do what, and where messages go.

CREATE TABLE orgs (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE groups (
    id uuid PRIMARY KEY,
    org_id uuid REFERENCES orgs,
    name varchar(254) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT groups_name UNIQUE (org_id, name)
);

CREATE TABLE memberships (
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    member_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, member_id)
);
CREATE INDEX memberships_member ON memberships (member_id);

CREATE TABLE profiles (
    id uuid PRIMARY KEY,
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    name varchar(254) NOT NULL,
    -- content_type, write, webhook, smtp_id, and whatever else its owners keep there.
    config jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profiles_name UNIQUE (group_id, name),
    -- What a thing's profile is checked against: it belongs to the thing's own group.
    CONSTRAINT profiles_group UNIQUE (id, group_id)
);

CREATE TABLE things (
    id uuid PRIMARY KEY,
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    profile_id uuid NOT NULL,
    name varchar(254) NOT NULL,
    -- SHA-256 of the key, which is shown once and kept nowhere.
    key_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT things_name UNIQUE (group_id, name),
    CONSTRAINT things_profile FOREIGN KEY (profile_id, group_id) REFERENCES profiles (id, group_id)
);
CREATE INDEX things_of_profile ON things (profile_id);

CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    -- The number that rows about the webhook carry instead of its id.
    key int GENERATED ALWAYS AS IDENTITY UNIQUE,
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    name varchar(254) NOT NULL,
    url text NOT NULL,
    headers jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhooks_name UNIQUE (group_id, name)
);

-- Apart from webhooks, because it changes with every delivery and must not wake those who listen for changes.
CREATE TABLE webhook_counters (
    webhook_key int PRIMARY KEY,
    attempts bigint NOT NULL DEFAULT 0,
    succeeded bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    consecutive_failures int NOT NULL DEFAULT 0,
    last_status int,
    last_attempt_at timestamptz
) WITH (fillfactor = 50);

-- Messages. The id holds the time of receipt (see MessageID), so a range of ids is a range of time: partitions are
-- made and dropped by the service.

CREATE TABLE messages (
    id bigint NOT NULL,
    thing_id uuid NOT NULL,
    group_id uuid NOT NULL,
    subtopic text NOT NULL,
    content_type text NOT NULL,
    traceparent text,
    payload bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX messages_of_thing ON messages (thing_id, id);
CREATE TABLE messages_default PARTITION OF messages DEFAULT;

-- Messages that are not to be kept: here only until their last delivery has ended.
CREATE TABLE transient_messages (
    id bigint PRIMARY KEY,
    thing_id uuid NOT NULL,
    group_id uuid NOT NULL,
    subtopic text NOT NULL,
    content_type text NOT NULL,
    traceparent text,
    payload bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 50000);

-- What is on its way. A row is deleted when its delivery has succeeded, so the table holds what is not done.
CREATE TABLE deliveries (
    message_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    -- Set when the last attempt has failed; the row then waits to be replayed until its retention is over.
    failed_at timestamptz,
    webhook_key int NOT NULL,
    -- The session that has it in memory. It alone sends it, until it is done or the session's lease has run out.
    leased_by int,
    -- Of the payload, so that a claim can stay within its memory.
    payload_bytes int NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    is_kept boolean NOT NULL,
    PRIMARY KEY (message_id, webhook_key)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 50000);
-- A delivery that is sent straight from memory is inserted leased and never enters this index.
CREATE INDEX deliveries_waiting ON deliveries (webhook_key, due_at, message_id)
    WHERE leased_by IS NULL AND failed_at IS NULL;

CREATE TABLE attempts (
    at timestamptz NOT NULL,
    message_id bigint NOT NULL,
    thing_id uuid NOT NULL,
    webhook_key int NOT NULL,
    latency_us int NOT NULL,
    number smallint NOT NULL,
    -- The response's status code; NULL if none came, and then error says why.
    status smallint,
    error text,
    -- The first 4 KiB of the response's body.
    response bytea
) PARTITION BY RANGE (at);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- A running instance. Its lease on deliveries lasts while it renews this row.
CREATE TABLE sessions (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- Changes to routes are announced, so that every instance reads just what changed. Above 100 rows in one statement
-- the announcement is "all", which costs one reading of everything instead of thousands of notices.
CREATE FUNCTION announce_routes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM changed LIMIT 101) AS some_rows) > 100 THEN
        PERFORM pg_notify('hookline_routes', 'all');
    ELSE
        PERFORM pg_notify('hookline_routes', TG_TABLE_NAME || ':' || keys.key)
        FROM (SELECT DISTINCT to_jsonb(changed) ->> TG_ARGV[0] AS key FROM changed) AS keys;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER announce_insert AFTER INSERT ON things
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('id');
CREATE TRIGGER announce_update AFTER UPDATE ON things
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('id');
CREATE TRIGGER announce_delete AFTER DELETE ON things
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('id');

CREATE TRIGGER announce_insert AFTER INSERT ON profiles
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('id');
CREATE TRIGGER announce_update AFTER UPDATE ON profiles
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('id');
CREATE TRIGGER announce_delete AFTER DELETE ON profiles
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('id');

CREATE TRIGGER announce_insert AFTER INSERT ON webhooks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('group_id');
CREATE TRIGGER announce_update AFTER UPDATE ON webhooks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('group_id');
CREATE TRIGGER announce_delete AFTER DELETE ON webhooks
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('group_id');
