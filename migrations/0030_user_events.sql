-- What users do that webhooks hear of.

-- What a user's metadata holds is theirs alone: whoever has a group may make anybody a member of it. So groups are told that it
-- has changed, and by whom.
CREATE FUNCTION note_user_metadata() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, details, webhook_keys)
    SELECT 'USER_META_UPDATED', m.group_id, jsonb_build_object('user_id', m.member_id, 'role', m.role), w.keys
    FROM memberships AS m JOIN webhooks_of_event('USER_META_UPDATED') AS w USING (group_id)
    WHERE m.member_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_insert AFTER INSERT ON users
    FOR EACH ROW WHEN (NEW.metadata <> '{}') EXECUTE FUNCTION note_user_metadata();
CREATE TRIGGER note_update AFTER UPDATE ON users
    FOR EACH ROW WHEN (NEW.metadata <> OLD.metadata) EXECUTE FUNCTION note_user_metadata();

-- Who has signed in at the identity provider, since when.
CREATE TABLE sign_ins (
    user_id text PRIMARY KEY,
    first_at timestamptz NOT NULL DEFAULT now()
);
-- Who was here before, as far as it shows, does not come for the first time.
INSERT INTO sign_ins (user_id) SELECT user_id FROM token_emails UNION SELECT id FROM users;
