-- Every row about a webhook says its group from here on: what was written before 0039 is completed now, beside those who write, and then the
-- column takes no NULL any more. May be done again from its beginning; what is complete is passed over.

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

-- Goes through a table page by page, some at a time. A row that is changed meanwhile may come to stand on a page that was gone through: so
-- whoever changes one fills it in. What somebody has locked is for the next time through, and nobody waits for the one or the other.
CREATE OR REPLACE PROCEDURE fill_former_groups(relation text, column_name text) LANGUAGE plpgsql AS $$
DECLARE
    pages_at_a_time CONSTANT bigint := 20;
    -- Of a row with its pointer.
    least_bytes CONSTANT bigint := 28;
    parts regclass[];
    is_partitioned boolean := (SELECT relkind = 'p' FROM pg_class WHERE oid = relation::regclass);
    part regclass;
    page bigint;
    pages bigint;
    places tid[];
    changed bigint;
    is_lacking boolean;
BEGIN
    -- Of partitions what is said of the whole holds.
    FOR part IN
        SELECT relation::regclass UNION ALL
        SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = relation::regclass AND NOT is_partitioned
    LOOP
        CALL change_in_a_moment(format(
            'DROP TRIGGER IF EXISTS fill_former_group ON %1$s;
             CREATE TRIGGER fill_former_group BEFORE UPDATE ON %1$s FOR EACH ROW WHEN (NEW.%2$I IS NULL) EXECUTE FUNCTION %3$I()',
            part, column_name, CASE column_name WHEN 'group_id' THEN 'fill_group' ELSE 'fill_webhook_group' END));
    END LOOP;
    LOOP
        -- Anew each time through: partitions come, and rows with them.
        parts := ARRAY(
            WITH RECURSIVE tree AS (
                SELECT relation::regclass::oid AS member UNION ALL SELECT inhrelid FROM pg_inherits JOIN tree ON member = inhparent)
            SELECT member FROM tree);
        FOREACH part IN ARRAY parts LOOP
            CONTINUE WHEN (SELECT relkind FROM pg_class WHERE oid = part) IS DISTINCT FROM 'r';
            pages := coalesce(pg_relation_size(part), 0) / current_setting('block_size')::bigint;
            page := 0;
            WHILE page <= pages LOOP
                -- A partition whose time is over may be gone.
                EXIT WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = part);
                -- What is lost in a crash is done again.
                PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '200ms', true);
                -- Every place there may be, so that rows are found by their places whatever the planner thinks of the table.
                places := ARRAY(
                    SELECT format('(%s,%s)', p, i)::tid FROM generate_series(page, page + pages_at_a_time - 1) AS p,
                        generate_series(1, current_setting('block_size')::bigint / least_bytes) AS i);
                BEGIN
                    -- Who erases entries of others' rows finds a row by its place, which must not be another by then.
                    IF relation = 'attempt_batches' THEN
                        LOCK TABLE erasures IN EXCLUSIVE MODE;
                    END IF;
                    EXECUTE format(
                        'UPDATE ONLY %1$s SET %2$I = group_of_webhook(webhook_key) WHERE ctid = ANY(ARRAY(
                            SELECT ctid FROM ONLY %1$s WHERE ctid = ANY($1) AND %2$I IS NULL FOR UPDATE SKIP LOCKED))',
                        part, column_name) USING places;
                    GET DIAGNOSTICS changed = ROW_COUNT;
                    IF changed > 0 THEN
                        UPDATE group_fillings AS f SET filled = f.filled + changed
                        WHERE f.relation = fill_former_groups.relation;
                    END IF;
                EXCEPTION
                    -- What is gone has no name, but a number.
                    WHEN undefined_table OR syntax_error THEN
                        IF EXISTS (SELECT FROM pg_class WHERE oid = part) THEN
                            RAISE;
                        END IF;
                    -- For the next time through.
                    WHEN lock_not_available OR deadlock_detected THEN NULL;
                END;
                COMMIT;
                page := page + pages_at_a_time;
            END LOOP;
        END LOOP;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NULL)', relation, column_name) INTO is_lacking;
        EXIT WHEN NOT is_lacking;
        COMMIT;
        PERFORM pg_sleep(0.2);
        COMMIT;
    END LOOP;
    COMMIT;
END
$$;

CREATE OR REPLACE PROCEDURE complete_groups(relation text, column_name text) LANGUAGE plpgsql AS $$
DECLARE
    is_lacking boolean;
    has_rows boolean;
    triggers text;
    part regclass;
BEGIN
    IF NOT (SELECT attnotnull FROM pg_attribute WHERE attrelid = relation::regclass AND attname = column_name) THEN
        -- The build before does the same in turns.
        PERFORM pg_advisory_lock(hashtext('hookline housekeeping'), hashtext('groups of ' || relation));
        COMMIT;
        -- Whoever writes names one, or a trigger does, so what lacks none now never will.
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NULL)', relation, column_name) INTO is_lacking;
        COMMIT;
        IF is_lacking THEN
            CALL fill_former_groups(relation, column_name);
        END IF;
        -- The build before may have come so far with it.
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = relation::regclass AND conname = 'has_group') THEN
            CALL change_in_a_moment(format(
                'ALTER TABLE %s ADD CONSTRAINT has_group CHECK (%I IS NOT NULL) NOT VALID', relation, column_name));
        END IF;
        -- It is compared with the rows beside those who write.
        CALL change_in_a_moment(format('ALTER TABLE %s VALIDATE CONSTRAINT has_group', relation));
        CALL change_in_a_moment(format(
            'ALTER TABLE %1$s ALTER COLUMN %2$I SET NOT NULL; ALTER TABLE %1$s DROP CONSTRAINT has_group', relation, column_name));
        PERFORM pg_advisory_unlock(hashtext('hookline housekeeping'), hashtext('groups of ' || relation));
    END IF;
    UPDATE group_fillings AS f SET completed_at = coalesce(completed_at, now()), behind = NULL, passed = 0
    WHERE f.relation = complete_groups.relation;
    COMMIT;
    FOR triggers IN
        SELECT format('DROP TRIGGER fill_former_group ON %s', t.tgrelid::regclass) FROM pg_trigger AS t
        WHERE t.tgname = 'fill_former_group' AND t.tgparentid = 0 AND t.tgrelid IN (
            SELECT relation::regclass UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = relation::regclass)
    LOOP
        CALL change_in_a_moment(triggers);
    END LOOP;
    -- So that the statistics below are there from the start. An empty table stays one of which nothing is known.
    FOREACH part IN ARRAY ARRAY(
        SELECT s.stxrelid::regclass FROM pg_statistic_ext AS s WHERE s.stxname LIKE '%\_by\_group' AND (
            s.stxrelid = relation::regclass OR s.stxrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = relation::regclass)))
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', part) INTO has_rows;
        IF has_rows THEN
            EXECUTE format('ANALYZE %s', part);
        END IF;
        COMMIT;
    END LOOP;
END
$$;

-- concurrently
-- A webhook is of one group: without knowing that, the planner takes both together for much rarer than the webhook is, and what waits
-- for it for next to nothing.
CREATE STATISTICS IF NOT EXISTS deliveries_by_group (dependencies) ON webhook_key, group_id FROM deliveries;
CREATE STATISTICS IF NOT EXISTS delivery_batches_by_group (dependencies) ON webhook_key, group_id FROM delivery_batches;
CREATE STATISTICS IF NOT EXISTS waiting_batches_by_group (dependencies) ON webhook_key, group_id FROM waiting_batches;
CALL complete_groups('webhook_counters', 'webhook_group_id');
CALL complete_groups('webhook_stats', 'group_id');
CALL complete_groups('condition_memory', 'group_id');
CALL complete_groups('thinned_things', 'group_id');
CALL complete_groups('deliveries', 'group_id');
CALL complete_groups('delivery_batches', 'group_id');
CALL complete_groups('skips', 'group_id');
CALL complete_groups('attempts', 'group_id');
CALL complete_groups('attempt_batches', 'group_id');
-- Batches have the group in their keys, the last column: nobody names the others alone as what may be there already. The new index takes
-- the place and the name of the one before, in a moment.
DROP INDEX CONCURRENTLY IF EXISTS delivery_batches_key;
CREATE UNIQUE INDEX CONCURRENTLY delivery_batches_key ON delivery_batches (batch_id, webhook_key, first_message_id, group_id);
CALL change_in_a_moment('ALTER TABLE delivery_batches DROP CONSTRAINT delivery_batches_pkey,
    ADD CONSTRAINT delivery_batches_pkey PRIMARY KEY USING INDEX delivery_batches_key');
DROP INDEX CONCURRENTLY IF EXISTS waiting_batches_key;
CREATE UNIQUE INDEX CONCURRENTLY waiting_batches_key ON waiting_batches (batch_id, webhook_key, first_message_id, group_id);
CALL change_in_a_moment('ALTER TABLE waiting_batches DROP CONSTRAINT waiting_batches_pkey,
    ADD CONSTRAINT waiting_batches_pkey PRIMARY KEY USING INDEX waiting_batches_key');
DROP PROCEDURE complete_groups(text, text);
DROP PROCEDURE fill_former_groups(text, text);
DROP PROCEDURE change_in_a_moment(text);
