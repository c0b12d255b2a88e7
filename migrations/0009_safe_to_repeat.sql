-- What makes every write safe to repeat, and what is remembered of what others keep for this service.

ALTER TABLE sessions
    -- The part of message ids that is this session's alone while it lives; NULL in rows of earlier versions, which take
    -- the lowest ten bits of the session's id.
    ADD COLUMN slot smallint,
    -- The numbers of the last results and of the last counts that were written for this session: what is sent a second
    -- time, because the answer to the first was lost, is recognized by them.
    ADD COLUMN settled bigint NOT NULL DEFAULT 0,
    ADD COLUMN counted bigint NOT NULL DEFAULT 0;
-- A row that changes many times a second, in place.
ALTER TABLE sessions SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The session that wrote a message: an id that another one gave out by accident is not taken for one's own.
ALTER TABLE messages ADD COLUMN session_id int;
ALTER TABLE transient_messages ADD COLUMN session_id int;

-- What each client id of ours has subscribed to at the broker, which keeps it for as long as the session lasts.
CREATE TABLE broker_sessions (
    client_id text PRIMARY KEY,
    filters text[] NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Things that were removed, with what requests may have been filled in with: what still waits of them is sent as it was,
-- whoever has their ids by then.
CREATE TABLE former_things (
    thing_id uuid NOT NULL,
    group_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    name varchar(254) NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thing_id, group_id)
);
CREATE INDEX former_things_removed ON former_things (removed_at);

CREATE FUNCTION remember_things() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_things (thing_id, group_id, profile_id, name)
    SELECT t.id, t.group_id, t.profile_id, t.name FROM changed AS t
    WHERE t.group_id IN (SELECT w.group_id FROM webhooks AS w WHERE w.needs_names)
    ON CONFLICT (thing_id, group_id) DO UPDATE SET profile_id = excluded.profile_id, name = excluded.name,
        removed_at = excluded.removed_at;
    RETURN NULL;
END
$$;
CREATE TRIGGER remember_delete AFTER DELETE ON things
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION remember_things();

-- Users and the org's url are told apart: who has been told is not told again because another cannot be.
ALTER TABLE notifications ADD COLUMN users_told boolean NOT NULL DEFAULT false;
