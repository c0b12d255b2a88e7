-- Keys that programs call the API with. Of a key its SHA-256 is here; the key itself is shown once, to who makes it.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    -- NULL for a user's own, which does what the user may.
    group_id uuid REFERENCES groups ON DELETE CASCADE,
    name varchar(254) NOT NULL,
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    -- The most that it may do.
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    created_by text NOT NULL,
    -- Whether it ends with the membership of who made it, and never does more than they may.
    ends_with_creator boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Set once and for good. The row stays for a while, to say so to whoever still calls with it.
    ended_at timestamptz,
    -- revoked, expired, membership.
    end_reason text,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (group_id, name) WHERE group_id IS NOT NULL AND ended_at IS NULL;
CREATE UNIQUE INDEX api_keys_own_name ON api_keys (created_by, name) WHERE group_id IS NULL AND ended_at IS NULL;
CREATE INDEX api_keys_of_group ON api_keys (group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX api_keys_of_user ON api_keys (created_by, id) WHERE group_id IS NULL;

-- Apart from the keys, because it changes while they are used, and is nobody's change.
CREATE TABLE api_key_uses (
    key_id uuid PRIMARY KEY,
    last_used_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Whoever removes a member, an earlier build as well, ends the keys that were to end with the membership.
CREATE FUNCTION end_keys_of_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys AS k SET ended_at = now(), end_reason = 'membership' FROM gone
    WHERE k.group_id = gone.group_id AND k.created_by = gone.member_id AND k.ends_with_creator AND k.ended_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER end_keys AFTER DELETE ON memberships
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION end_keys_of_members();
