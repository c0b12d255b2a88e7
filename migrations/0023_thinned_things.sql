-- What is remembered of a thing where a webhook leaves out messages that come too soon, or say nothing new.
CREATE TABLE thinned_things (
    webhook_key int NOT NULL,
    thing_id uuid NOT NULL,
    -- JSON: until when nothing more goes out, the message that waits for that time, a digest of what was said last.
    memory text NOT NULL,
    -- The messages that changed it last, the newest first. By the first one it is seen whether somebody else was faster; by all of
    -- them a commit that is made again knows that it was made.
    changed_by bigint[] NOT NULL,
    PRIMARY KEY (webhook_key, thing_id)
) WITH (fillfactor = 70);
CREATE INDEX thinned_things_of_thing ON thinned_things (thing_id);

CREATE FUNCTION forget_thinned_things() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM thinned_things WHERE thing_id IN (SELECT id FROM changed);
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_thinned AFTER DELETE ON things
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_thinned_things();
