-- How payloads are written that topic rules look into: a format's name, as profiles have them. Nothing is JSON.
ALTER TABLE topic_rules ADD COLUMN decode text;

DROP TRIGGER audit_insert ON topic_rules;
DROP TRIGGER audit_update ON topic_rules;
DROP TRIGGER audit_delete ON topic_rules;
SELECT audit_table('topic_rules', 'topic_rule', 'id', 'id', 'group_id', 'pattern', 'pattern', 'subtopic', 'thing_path',
    'split', 'split_path', 'retained', 'presence', 'decode');
