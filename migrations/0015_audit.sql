-- Who changed what. Written by triggers, in the transaction of the change, so that no way of changing something can forget it:
-- not the API, an import, a command, the service itself, the build before this one, or somebody with psql.

-- Who is at it, as the connection says: a JSON array of kind, id, address, whether it is root, and the key's id. The parts are
-- counted from 0. A connection that says nothing is of psql or of an earlier build, and goes by its role at the database.
CREATE FUNCTION audit_actor(part int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN coalesce(current_setting('hookline.actor', true), '') = ''
        THEN (ARRAY['database', session_user::text])[part + 1]
        ELSE current_setting('hookline.actor', true)::jsonb ->> part END
$$;

CREATE SEQUENCE audit_ids;
CREATE TABLE audit (
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    id bigint NOT NULL DEFAULT nextval('audit_ids'),
    -- user, command, service, database, or anonymous.
    actor_kind text NOT NULL DEFAULT audit_actor(0),
    actor_id text DEFAULT audit_actor(1),
    address text DEFAULT audit_actor(2),
    is_root boolean NOT NULL DEFAULT coalesce(audit_actor(3) = 'true', false),
    -- The API key that was used, if it was one.
    key_id text DEFAULT audit_actor(4),
    -- created, updated, removed, or what else was done.
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id text,
    object_name text,
    group_id uuid,
    -- Of how many objects it tells, or how many times.
    count bigint NOT NULL DEFAULT 1,
    -- By field: {"before": …, "after": …}; secrets are "***".
    changes jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX audit_of_group ON audit (group_id, at, id);
CREATE INDEX audit_of_actor ON audit (actor_id, at, id);
CREATE INDEX audit_of_object ON audit (object_id, at, id);
CREATE INDEX audit_of_kind ON audit (object_kind, at, id);
CREATE TABLE audit_default PARTITION OF audit DEFAULT;

-- What is written stays. Retention goes by partitions, and alone may remove rows of them.
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER keep_rows BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit();
CREATE TRIGGER keep_all BEFORE DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit();

-- Where a url leads to. Path and query may hold keys, and what stands before an @ is one.
CREATE FUNCTION audit_url(url text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN url !~* '^https?://[^/?#]' THEN '***' ELSE
        regexp_replace(substring(url FROM '^[^:]*://[^/?#]*'), '//.*@', '//')
        || CASE WHEN url ~ '^[^:]*://[^/?#]*/?$' THEN '' ELSE '/***' END END
$$;

-- At most 256 characters of a value, with a mark where it was cut.
CREATE FUNCTION audit_bounded(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(value #>> '{}') <= 256 THEN value
        ELSE to_jsonb(left(value #>> '{}', 256) || '… (' || length(value #>> '{}') || ' characters)') END
$$;

-- The members of an object, each as a field: what is shown of it, and the value itself to compare. Those that are not named
-- may hold anything, and are not shown.
CREATE FUNCTION audit_members(prefix text, value jsonb, shown text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(prefix || '.' || left(key, 64), jsonb_build_array(
        CASE WHEN key = ANY(shown) THEN m.value WHEN m.value <> 'null' THEN '"***"' END,
        -- A set is written in any order.
        CASE WHEN key = 'successStatuses' AND jsonb_typeof(m.value) = 'array'
            THEN (SELECT jsonb_agg(e ORDER BY e) FROM jsonb_array_elements(m.value) AS e) ELSE m.value END)), '{}')
    FROM jsonb_each(CASE jsonb_typeof(value) WHEN 'object' THEN value ELSE '{}' END) AS m
$$;

-- What differs, as it is shown. Fields are arrays: what is shown, and, if that is not the whole, what is compared.
CREATE FUNCTION audit_diff(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key,
        CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('before', old) END
        || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('after', new) END), '{}')
    FROM (
        SELECT key, audit_bounded(b.value -> 0) AS old, audit_bounded(a.value -> 0) AS new
        FROM jsonb_each(coalesce(before, '{}')) AS b FULL JOIN jsonb_each(coalesce(after, '{}')) AS a USING (key)
        WHERE nullif(coalesce(b.value -> 1, b.value -> 0), 'null')
            IS DISTINCT FROM nullif(coalesce(a.value -> 1, a.value -> 0), 'null')
        ORDER BY key LIMIT 40) AS fields
$$;

-- Notes what a statement changed, an entry for each row; of more than a thousand rows how many they are in each group.
--
-- Arguments: kind of object; key columns; columns of id, group and name, or NULL; then the columns that count, for all others
-- are as good as not there. `column` is shown; `column=url` without what may be a key; `column=json:a,b` by members, of which
-- these are shown; `column=secret:name` is named and never shown. `column=sealed` is that too, but its bytes differ whenever it
-- is written: who writes it says what of it changed (hookline.sealed), in the same transaction.
CREATE FUNCTION note_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT int := 1000;
    verb CONSTANT text := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'removed' ELSE 'updated' END;
    is_resealing CONSTANT boolean := audit_actor(0) = 'service' AND audit_actor(1) = 'sealing';
    told text := nullif(current_setting('hookline.sealed', true), '');
    fields text := '''{}''::jsonb';
    differs text := 'false';
    sealed text := 'false';
    source text;
    what text;
    number int;
    groups int;
BEGIN
    FOR i IN 5 .. TG_NARGS - 1 LOOP
        DECLARE
            name CONSTANT text := split_part(TG_ARGV[i], '=', 1);
            form CONSTANT text := split_part(split_part(TG_ARGV[i], '=', 2), ':', 1);
            more CONSTANT text := split_part(TG_ARGV[i], ':', 2);
        BEGIN
            CONTINUE WHEN form = 'sealed' AND (is_resealing OR TG_OP <> 'UPDATE');
            differs := format('%s OR r.%I IS DISTINCT FROM a.%2$I', differs, name);
            IF form = 'sealed' AND told IS NOT NULL THEN
                sealed := format('r.%I IS DISTINCT FROM a.%1$I', name);
                CONTINUE;
            END IF;
            fields := fields || ' || ' || CASE form
                WHEN '' THEN format('jsonb_build_object(%L, jsonb_build_array(%%1$s.%I))', name, name)
                WHEN 'url' THEN format('jsonb_build_object(%L, jsonb_build_array(audit_url(%%1$s.%I), %%1$s.%2$I))', name, name)
                WHEN 'json' THEN format('audit_members(%L, %%1$s.%I, %L)', name, name, string_to_array(more, ','))
                ELSE format('jsonb_build_object(%L, jsonb_build_array(CASE WHEN %%1$s.%I IS NOT NULL THEN ''***'' END, '
                    || '%%1$s.%2$I))', coalesce(nullif(more, ''), name), name) END;
        END;
    END LOOP;
    CASE TG_OP
        WHEN 'INSERT' THEN source := 'added AS a';
        WHEN 'DELETE' THEN source := 'removed AS r';
        ELSE source := format('removed AS r JOIN added AS a USING (%s) WHERE %s', TG_ARGV[1], differs);
    END CASE;
    what := CASE TG_OP WHEN 'DELETE' THEN 'r.' ELSE 'a.' END;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT %s) AS some_rows', source, most + 1) INTO number;
    IF number = 0 THEN
        RETURN NULL;
    ELSIF number <= most THEN
        EXECUTE format(
            'INSERT INTO audit (action, object_kind, object_id, object_name, group_id, changes)
            SELECT %L, %L, id, name, group_id, changes FROM (
                SELECT %s::text AS id, %s AS name, %s AS group_id, audit_diff(%s, %s) || %s AS changes FROM %s) AS each
            WHERE %L <> ''updated'' OR changes <> ''{}''',
            verb, TG_ARGV[0], what || TG_ARGV[2],
            CASE TG_ARGV[4] WHEN 'NULL' THEN 'NULL' ELSE what || TG_ARGV[4] END,
            CASE TG_ARGV[3] WHEN 'NULL' THEN 'NULL::uuid' ELSE what || TG_ARGV[3] END,
            CASE TG_OP WHEN 'INSERT' THEN 'NULL' ELSE format(fields, 'r') END,
            CASE TG_OP WHEN 'DELETE' THEN 'NULL' ELSE format(fields, 'a') END,
            CASE WHEN sealed = 'false' THEN '''{}''::jsonb'
                ELSE format('CASE WHEN %s THEN %L::jsonb ELSE ''{}'' END', sealed, told) END,
            source, verb);
    ELSE
        what := CASE TG_ARGV[3] WHEN 'NULL' THEN 'NULL::uuid' ELSE what || TG_ARGV[3] END;
        EXECUTE format('SELECT count(*) FROM (SELECT DISTINCT %s FROM %s LIMIT %s) AS some_groups', what, source, most + 1)
            INTO groups;
        EXECUTE format(
            'INSERT INTO audit (action, object_kind, group_id, count)
            SELECT %L, %L, group_id, count(*) FROM (SELECT %s AS group_id FROM %s) AS each GROUP BY group_id',
            verb, TG_ARGV[0], CASE WHEN groups <= most THEN what ELSE 'NULL::uuid' END, source);
    END IF;
    RETURN NULL;
END
$$;

-- Makes what is done to a table noted.
CREATE FUNCTION audit_table(noted regclass, VARIADIC arguments text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    list CONSTANT text := (SELECT string_agg(quote_literal(a), ', ' ORDER BY n)
        FROM unnest(arguments) WITH ORDINALITY AS u (a, n));
    stranger CONSTANT text := (SELECT min(split_part(a, '=', 1)) FROM unnest(arguments[6:]) AS u (a)
        WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = noted AND attname = split_part(a, '=', 1)));
BEGIN
    IF stranger IS NOT NULL THEN
        RAISE EXCEPTION '% has no column %', noted, stranger;
    END IF;
    EXECUTE format('CREATE TRIGGER audit_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%s)', noted, list);
    EXECUTE format('CREATE TRIGGER audit_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS removed NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%s)', noted, list);
    EXECUTE format('CREATE TRIGGER audit_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%s)', noted, list);
END
$$;

-- None of these is written when messages are taken or delivered, but for a webhook that is disabled because of failures.
SELECT audit_table('orgs', 'org', 'id', 'id', 'NULL', 'NULL', 'notification_url=url');
SELECT audit_table('groups', 'group', 'id', 'id', 'id', 'name', 'name', 'org_id', 'allowed_networks');
SELECT audit_table('memberships', 'member', 'group_id, member_id', 'member_id', 'group_id', 'NULL', 'role');
SELECT audit_table('profiles', 'profile', 'id', 'id', 'group_id', 'name', 'name',
    'config=json:content_type,write,webhook');
SELECT audit_table('things', 'thing', 'id', 'id', 'group_id', 'name', 'name', 'profile_id', 'key_hash=secret:key');
SELECT audit_table('webhooks', 'webhook', 'id', 'id', 'group_id', 'name', 'name', 'url=url', 'status', 'status_reason',
    'trigger', 'silent_after', 'secrets=sealed',
    'policy=json:successStatuses,retrySchedule,maxAttempts,maxAge,retriesClientErrors,failureLimit,failureWindow,'
    'rateLimit,ordering');
SELECT audit_table('sources', 'source', 'id', 'id', 'group_id', 'name', 'name', 'thing_id', 'is_enabled',
    'key_hash=secret:key', 'secret=sealed', 'settings=json:subtopic,rateLimit,repetitionWindow,eventIDPath');
DO $$
BEGIN
    IF to_regclass('api_keys') IS NOT NULL THEN
        PERFORM audit_table('api_keys', 'key', 'id', 'id', 'group_id', 'name', 'name', 'role', 'created_by',
            'ends_with_creator', 'expires_at', 'ended_at', 'end_reason', 'key_hash=secret:key');
    END IF;
END
$$;
