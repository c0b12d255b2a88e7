-- Things as their owners name them. May be done again from the beginning, for it ends with indexes that are built while the tables
-- are in use.

-- What becomes of a thing that nobody knows: it is refused, or made with this profile on its first message.
ALTER TABLE groups
    ADD COLUMN IF NOT EXISTS new_thing_profile_id uuid,
    -- How many of them in an hour; what is beyond is refused.
    ADD COLUMN IF NOT EXISTS new_things_per_hour int NOT NULL DEFAULT 100;
ALTER TABLE profiles
    -- Short texts, or key=value.
    ADD COLUMN IF NOT EXISTS labels text[] NOT NULL DEFAULT '{}',
    -- JSON as it was written.
    ADD COLUMN IF NOT EXISTS metadata text NOT NULL DEFAULT '{}';
ALTER TABLE things
    -- What its owners call it: any text, unique in the group.
    ADD COLUMN IF NOT EXISTS external_id varchar(254) COLLATE "C",
    ADD COLUMN IF NOT EXISTS labels text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS metadata text NOT NULL DEFAULT '{}';
ALTER TABLE groups
    DROP CONSTRAINT IF EXISTS groups_new_thing_profile,
    ADD CONSTRAINT groups_new_thing_profile FOREIGN KEY (new_thing_profile_id, id) REFERENCES profiles (id, group_id);
ALTER TABLE former_things
    ADD COLUMN IF NOT EXISTS external_id varchar(254) COLLATE "C",
    ADD COLUMN IF NOT EXISTS labels text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS metadata text NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS profile_labels text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS profile_metadata text NOT NULL DEFAULT '{}';

-- Things of a group that were made on their first message in an hour, and those that were not. Apart from the groups, because it
-- changes with messages and is nobody's change.
CREATE TABLE IF NOT EXISTS new_thing_counts (
    group_id uuid PRIMARY KEY REFERENCES groups ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    -- In that hour.
    made int NOT NULL DEFAULT 0,
    -- Messages of unknown things that were refused, ever.
    refused bigint NOT NULL DEFAULT 0,
    last_refused text,
    last_refused_at timestamptz
) WITH (fillfactor = 50);

-- What events tell of a thing.
CREATE OR REPLACE FUNCTION thing_details(name text, profile_id uuid, external_id text, labels text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('thing_name', name, 'profile_id', profile_id)
        || CASE WHEN external_id IS NULL THEN '{}' ELSE jsonb_build_object('external_id', external_id) END
        || CASE WHEN labels = '{}' THEN '{}' ELSE jsonb_build_object('labels', labels) END
$$;

CREATE OR REPLACE FUNCTION note_things() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
    SELECT TG_ARGV[0], t.group_id, t.id, thing_details(t.name, t.profile_id, t.external_id, t.labels), w.keys
    FROM changed AS t JOIN webhooks_of_event(TG_ARGV[0]) AS w USING (group_id);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM condition_memory WHERE thing_id IN (SELECT id FROM changed);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION note_first_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
    SELECT 'THING_FIRST_MESSAGE', t.group_id, t.id,
        thing_details(t.name, t.profile_id, t.external_id, t.labels), w.keys
    FROM changed JOIN things AS t ON t.id = changed.thing_id
        JOIN webhooks_of_event('THING_FIRST_MESSAGE') AS w USING (group_id);
    RETURN NULL;
END
$$;

-- What requests may have been filled in with.
CREATE OR REPLACE FUNCTION remember_things() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_things (thing_id, group_id, profile_id, name, external_id, labels, metadata, profile_labels,
        profile_metadata)
    SELECT t.id, t.group_id, t.profile_id, t.name, t.external_id, t.labels, t.metadata, coalesce(p.labels, '{}'),
        coalesce(p.metadata, '{}')
    FROM changed AS t LEFT JOIN profiles AS p ON p.id = t.profile_id
    WHERE t.group_id IN (SELECT w.group_id FROM webhooks AS w WHERE w.needs_names)
    ON CONFLICT (thing_id, group_id) DO UPDATE SET profile_id = excluded.profile_id, name = excluded.name,
        external_id = excluded.external_id, labels = excluded.labels, metadata = excluded.metadata,
        profile_labels = excluded.profile_labels, profile_metadata = excluded.profile_metadata,
        removed_at = excluded.removed_at;
    RETURN NULL;
END
$$;

-- The audit shows what things are called and where they are. What metadata holds is its owners'.
DROP TRIGGER audit_insert ON groups;
DROP TRIGGER audit_update ON groups;
DROP TRIGGER audit_delete ON groups;
SELECT audit_table('groups', 'group', 'id', 'id', 'id', 'name', 'name', 'org_id', 'allowed_networks',
    'new_thing_profile_id', 'new_things_per_hour');
DROP TRIGGER audit_insert ON profiles;
DROP TRIGGER audit_update ON profiles;
DROP TRIGGER audit_delete ON profiles;
SELECT audit_table('profiles', 'profile', 'id', 'id', 'group_id', 'name', 'name',
    'config=json:content_type,write,webhook', 'labels', 'metadata=secret:metadata');
DROP TRIGGER audit_insert ON things;
DROP TRIGGER audit_update ON things;
DROP TRIGGER audit_delete ON things;
SELECT audit_table('things', 'thing', 'id', 'id', 'group_id', 'name', 'name', 'group_id', 'profile_id', 'external_id',
    'labels', 'metadata=secret:metadata', 'key_hash=secret:key');

-- concurrently
DROP INDEX CONCURRENTLY IF EXISTS things_external_id;
CREATE UNIQUE INDEX CONCURRENTLY things_external_id ON things (group_id, external_id) WHERE external_id IS NOT NULL;
-- Things without labels have no entry.
DROP INDEX CONCURRENTLY IF EXISTS things_by_label;
CREATE INDEX CONCURRENTLY things_by_label ON things USING gin (labels) WHERE labels <> '{}';
