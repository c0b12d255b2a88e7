-- The group of each row about a webhook, so that rows can be found, and spread, by their group. A webhook's never changes; its number alone
-- still says which rows are its own. What was there before has none until housekeeping has filled it in, and logs until they are over.
ALTER TABLE deliveries ADD COLUMN group_id uuid;
-- And waiting_batches, which inherits it.
ALTER TABLE delivery_batches ADD COLUMN group_id uuid;
ALTER TABLE attempts ADD COLUMN group_id uuid;
ALTER TABLE attempt_batches ADD COLUMN group_id uuid;
ALTER TABLE skips ADD COLUMN group_id uuid;
-- By another name, because the build before reads it together with webhooks, and means the group_id of those.
ALTER TABLE webhook_counters ADD COLUMN webhook_group_id uuid;
ALTER TABLE webhook_stats ADD COLUMN group_id uuid;
ALTER TABLE condition_memory ADD COLUMN group_id uuid;
ALTER TABLE thinned_things ADD COLUMN group_id uuid;

-- A build before knows of none, so it is filled in here. Of a webhook that was removed a moment ago it is the one of no group, until the
-- sweep removes the row.
CREATE FUNCTION group_of_webhook(webhook_key int) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT group_id FROM webhooks WHERE key = webhook_key), '00000000-0000-0000-0000-000000000000')
$$;
CREATE FUNCTION fill_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.group_id := group_of_webhook(NEW.webhook_key);
    RETURN NEW;
END
$$;
CREATE FUNCTION fill_webhook_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.webhook_group_id := group_of_webhook(NEW.webhook_key);
    RETURN NEW;
END
$$;
CREATE TRIGGER fill_group BEFORE INSERT ON deliveries
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON delivery_batches
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON waiting_batches
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON attempts
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON attempt_batches
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON skips
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON webhook_counters
    FOR EACH ROW WHEN (NEW.webhook_group_id IS NULL) EXECUTE FUNCTION fill_webhook_group();
CREATE TRIGGER fill_group BEFORE INSERT ON webhook_stats
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON condition_memory
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();
CREATE TRIGGER fill_group BEFORE INSERT ON thinned_things
    FOR EACH ROW WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION fill_group();

-- How far housekeeping has come with the rows of before, table by table.
CREATE TABLE group_fillings (
    relation text PRIMARY KEY,
    -- Of a table that is gone through: its key, behind which to go on; NULL at the beginning.
    behind text[],
    -- Rows that were filled in so far, and those that somebody had locked, which are for the next time through.
    filled bigint NOT NULL DEFAULT 0,
    passed bigint NOT NULL DEFAULT 0,
    -- Who wrote after that has named groups, or the trigger has.
    began_at timestamptz NOT NULL DEFAULT now(),
    -- When to look again.
    due_at timestamptz NOT NULL DEFAULT '-infinity',
    -- Since when no row has none, and none can be written.
    completed_at timestamptz
);
INSERT INTO group_fillings (relation) VALUES ('deliveries'), ('delivery_batches'), ('attempts'), ('attempt_batches'), ('skips'),
    ('webhook_counters'), ('webhook_stats'), ('condition_memory'), ('thinned_things');
