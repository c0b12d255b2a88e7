-- The group becomes the last column of the keys of what is about webhooks, so that a table can be spread by its group. Statements say a key
-- by its name, which stays, and so does what it begins with. An index is built beside those who write and takes the place of the one before
-- in a moment. May be done again from its beginning; a key that has the group is passed over, where tables are spread already too.

-- What holds others up is asked for a moment only, and again later: they go on meanwhile. Whoever vacuums gives way to none who has
-- not waited for a second, so every fifth time is longer.
CREATE OR REPLACE PROCEDURE change_in_a_moment(change text) LANGUAGE plpgsql AS $$
DECLARE
    is_done boolean := false;
BEGIN
    FOR try IN 1 .. 100000 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', CASE WHEN try % 5 = 0 THEN '2s' ELSE '200ms' END, true);
            EXECUTE change;
            is_done := true;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            is_done := false;
        END;
        COMMIT;
        EXIT WHEN is_done;
        -- A backup takes long: nobody is to be held up for much of it.
        PERFORM pg_sleep(least(10, 0.5 * try));
        COMMIT;
    END LOOP;
    IF NOT is_done THEN
        RAISE EXCEPTION 'somebody has been at a table for too long for: %', change USING ERRCODE = 'lock_not_available';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION key_lacks(relation text, column_name text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = column_name
        WHERE i.indrelid = relation::regclass AND i.indisprimary AND a.attnum = ANY (i.indkey))
$$;

-- concurrently
-- A row for each webhook is so little that its index is built in that moment. Where there are two indexes, whoever writes the same new row as
-- another in the same instant may be refused, for it asks the key alone whether the row is there: no result is to be refused so.
-- if key_lacks('webhook_counters', 'webhook_group_id')
CALL change_in_a_moment('ALTER TABLE webhook_counters DROP CONSTRAINT IF EXISTS webhook_counters_pkey,
    ADD CONSTRAINT webhook_counters_pkey PRIMARY KEY (webhook_key, webhook_group_id)');
-- What an earlier time has left half built is built anew.
-- if to_regclass('thinned_things_key') IS NOT NULL
DROP INDEX CONCURRENTLY thinned_things_key;
-- if key_lacks('thinned_things', 'group_id')
CREATE UNIQUE INDEX CONCURRENTLY thinned_things_key ON thinned_things (webhook_key, thing_id, group_id);
-- if key_lacks('thinned_things', 'group_id')
CALL change_in_a_moment('ALTER TABLE thinned_things DROP CONSTRAINT IF EXISTS thinned_things_pkey,
    ADD CONSTRAINT thinned_things_pkey PRIMARY KEY USING INDEX thinned_things_key');
-- if to_regclass('condition_memory_key') IS NOT NULL
DROP INDEX CONCURRENTLY condition_memory_key;
-- if key_lacks('condition_memory', 'group_id')
CREATE UNIQUE INDEX CONCURRENTLY condition_memory_key ON condition_memory (webhook_key, thing_id, rule, group_id);
-- if key_lacks('condition_memory', 'group_id')
CALL change_in_a_moment('ALTER TABLE condition_memory DROP CONSTRAINT IF EXISTS condition_memory_pkey,
    ADD CONSTRAINT condition_memory_pkey PRIMARY KEY USING INDEX condition_memory_key');
-- if to_regclass('webhook_stats_key') IS NOT NULL
DROP INDEX CONCURRENTLY webhook_stats_key;
-- if key_lacks('webhook_stats', 'group_id')
CREATE UNIQUE INDEX CONCURRENTLY webhook_stats_key ON webhook_stats (webhook_key, period, start, group_id);
-- if key_lacks('webhook_stats', 'group_id')
CALL change_in_a_moment('ALTER TABLE webhook_stats DROP CONSTRAINT IF EXISTS webhook_stats_pkey,
    ADD CONSTRAINT webhook_stats_pkey PRIMARY KEY USING INDEX webhook_stats_key');
-- if to_regclass('deliveries_key') IS NOT NULL
DROP INDEX CONCURRENTLY deliveries_key;
-- if key_lacks('deliveries', 'group_id')
CREATE UNIQUE INDEX CONCURRENTLY deliveries_key ON deliveries (message_id, webhook_key, group_id);
-- if key_lacks('deliveries', 'group_id')
CALL change_in_a_moment('ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS deliveries_pkey,
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY USING INDEX deliveries_key');
DROP FUNCTION key_lacks(text, text);
DROP PROCEDURE change_in_a_moment(text);
