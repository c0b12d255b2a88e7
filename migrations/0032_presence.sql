-- What topic rules tell of whether things are connected.
ALTER TABLE topic_rules
    -- JSON: how messages tell it.
    ADD COLUMN presence text;

-- Whether things are connected, as far as it was told. Apart from `things`, because it changes with messages and is nobody's
-- change. No row is not known.
CREATE TABLE thing_presence (
    thing_id uuid PRIMARY KEY REFERENCES things ON DELETE CASCADE,
    -- The one whose thing it was then.
    group_id uuid NOT NULL,
    connected boolean NOT NULL,
    -- Since when it is, or when it was last…
    connected_at timestamptz,
    -- …and is not, or was not. Of the two the one that says what it is now is there.
    disconnected_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX things_by_presence ON thing_presence (group_id, connected, thing_id);

DROP TRIGGER audit_insert ON topic_rules;
DROP TRIGGER audit_update ON topic_rules;
DROP TRIGGER audit_delete ON topic_rules;
SELECT audit_table('topic_rules', 'topic_rule', 'id', 'id', 'group_id', 'pattern', 'pattern', 'subtopic', 'thing_path',
    'split', 'split_path', 'retained', 'presence');
