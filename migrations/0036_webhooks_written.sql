-- Of a group's webhooks those that were written, and those that were removed, since a transaction, are found by an index: `xmin`, which told
-- the first, has none, and the second needed a count of all.

-- The transaction that wrote the row last (xid8). NULL is from before it was noted. Noted by a trigger, so whichever build writes.
ALTER TABLE webhooks ADD COLUMN written bigint;
CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.written := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_written BEFORE INSERT OR UPDATE ON webhooks FOR EACH ROW EXECUTE FUNCTION note_written();
CREATE INDEX webhooks_written ON webhooks (group_id, written) WHERE written IS NOT NULL;

-- Each removal has a row here already. The default is stable, so the rows that there are get the number of this transaction, which is
-- later than theirs and harmless.
ALTER TABLE erasures ADD COLUMN written bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint;
