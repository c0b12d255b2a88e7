-- What orgs' notices are signed with, sealed (see SecretBox). Made when it is first needed.
ALTER TABLE orgs ADD COLUMN secrets bytea, ADD COLUMN secrets_key int;

-- What is to be erased, and how far that has come. Written with the removal itself, so nothing is missed, whichever build
-- removes; carried out a part at a time.
CREATE TABLE erasures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id uuid NOT NULL,
    -- The thing whose messages are erased; NULL if it is what was written about a webhook or a source…
    thing_id uuid,
    -- …of which this is the key.
    webhook_key int,
    source_key int,
    -- Of messages: those whose ids are in this range. NULL has no end, but for another thing of the same id.
    first_id bigint NOT NULL DEFAULT 0,
    end_id bigint,
    requested_at timestamptz NOT NULL DEFAULT now(),
    -- When to go on.
    due_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- Which table is being gone through, of which webhook, and behind what.
    stage smallint NOT NULL DEFAULT 0,
    at_webhook int NOT NULL DEFAULT 0,
    behind bigint NOT NULL DEFAULT 0,
    -- What was erased so far, and what was left this time because a delivery still waits for it.
    messages bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    waiting bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX erasures_due ON erasures (due_at, id) WHERE finished_at IS NULL;
CREATE INDEX erasures_of_group ON erasures (group_id, id);
CREATE INDEX erasures_of_thing ON erasures (thing_id) WHERE finished_at IS NULL;

CREATE FUNCTION erase_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'things' THEN
        INSERT INTO erasures (group_id, thing_id) SELECT group_id, id FROM changed;
    WHEN 'webhooks' THEN
        INSERT INTO erasures (group_id, webhook_key) SELECT group_id, key FROM changed;
    ELSE
        INSERT INTO erasures (group_id, source_key) SELECT group_id, key FROM changed;
    END CASE;
    RETURN NULL;
END
$$;
CREATE TRIGGER erase_removed AFTER DELETE ON things
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION erase_removed();
CREATE TRIGGER erase_removed AFTER DELETE ON webhooks
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION erase_removed();
CREATE TRIGGER erase_removed AFTER DELETE ON sources
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION erase_removed();

-- Noted like the secrets of webhooks.
DROP TRIGGER audit_insert ON orgs;
DROP TRIGGER audit_update ON orgs;
DROP TRIGGER audit_delete ON orgs;
SELECT audit_table('orgs', 'org', 'id', 'id', 'NULL', 'NULL', 'notification_url=url', 'secrets=sealed');
