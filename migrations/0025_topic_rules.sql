-- Topics that are not below things/: who may read which, and what is made of them.
ALTER TABLE groups
    -- Filters that root grants the group: those of its rules are taken as far as one of these covers them.
    ADD COLUMN allowed_topics text[] NOT NULL DEFAULT '{}',
    -- first or all: which of its rules take a message.
    ADD COLUMN topic_choice text NOT NULL DEFAULT 'first';

-- What is subscribed to. A later filter has a larger number, by which the broker names it in messages (at most 28 bits). One that
-- was gone and comes again is a later one.
CREATE SEQUENCE topic_filter_numbers AS int MAXVALUE 268435455;
CREATE TABLE topic_filters (
    group_id uuid NOT NULL,
    filter text COLLATE "C" NOT NULL,
    number int NOT NULL UNIQUE DEFAULT nextval('topic_filter_numbers'),
    PRIMARY KEY (group_id, filter)
);

CREATE TABLE topic_rules (
    id uuid PRIMARY KEY,
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    -- Its place in the group's list.
    place int NOT NULL,
    -- As it was written: zigbee2mqtt/{thing}.
    pattern text NOT NULL,
    -- With wildcards in place of names.
    filter text COLLATE "C" NOT NULL,
    subtopic text,
    thing_path text,
    -- array or keys.
    split text,
    split_path text,
    retained boolean NOT NULL DEFAULT false,
    FOREIGN KEY (group_id, filter) REFERENCES topic_filters
);
CREATE INDEX topic_rules_of_group ON topic_rules (group_id, place);
CREATE INDEX topic_rules_of_filter ON topic_rules (group_id, filter);

-- Messages of which rules made nothing, and why. Apart from the rules, because it changes with messages and is nobody's change.
CREATE TABLE topic_refusals (
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE,
    reason text NOT NULL,
    count bigint NOT NULL,
    last_topic text NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (group_id, reason)
) WITH (fillfactor = 50);

-- A filter that no rule has any more is forgotten, however the last one went.
CREATE FUNCTION forget_topic_filters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM topic_filters AS f WHERE (f.group_id, f.filter) IN (SELECT c.group_id, c.filter FROM changed AS c)
        AND NOT EXISTS (SELECT FROM topic_rules AS r WHERE r.group_id = f.group_id AND r.filter = f.filter);
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_deleted AFTER DELETE ON topic_rules
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_topic_filters();
CREATE TRIGGER forget_updated AFTER UPDATE ON topic_rules
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_topic_filters();

-- An earlier build reads all of its routes again, and finds them as they were.
CREATE TRIGGER announce_insert AFTER INSERT ON topic_rules
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('group_id');
CREATE TRIGGER announce_update AFTER UPDATE ON topic_rules
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('group_id');
CREATE TRIGGER announce_delete AFTER DELETE ON topic_rules
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_routes('group_id');
CREATE FUNCTION announce_group_topics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('hookline_routes', 'topic_rules:' || NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER announce_topics AFTER UPDATE ON groups FOR EACH ROW
    WHEN (OLD.allowed_topics IS DISTINCT FROM NEW.allowed_topics OR OLD.topic_choice IS DISTINCT FROM NEW.topic_choice)
    EXECUTE FUNCTION announce_group_topics();

SELECT audit_table('topic_rules', 'topic_rule', 'id', 'id', 'group_id', 'pattern', 'pattern', 'subtopic', 'thing_path',
    'split', 'split_path', 'retained');
DROP TRIGGER audit_insert ON groups;
DROP TRIGGER audit_update ON groups;
DROP TRIGGER audit_delete ON groups;
SELECT audit_table('groups', 'group', 'id', 'id', 'id', 'name', 'name', 'org_id', 'allowed_networks',
    'new_thing_profile_id', 'new_things_per_hour', 'allowed_topics', 'topic_choice');
