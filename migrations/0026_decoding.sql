-- What makes JSON of a payload that is none, as its thing's profile said when the message came in: cbor, or JSON with options. NULL for
-- what is read as it is, and for what a build writes that knows nothing of it. In a profile it stands in the config.
ALTER TABLE messages ADD COLUMN decode text;
ALTER TABLE transient_messages ADD COLUMN decode text;

DROP TRIGGER audit_insert ON profiles;
DROP TRIGGER audit_update ON profiles;
DROP TRIGGER audit_delete ON profiles;
SELECT audit_table('profiles', 'profile', 'id', 'id', 'group_id', 'name', 'name',
    'config=json:content_type,write,webhook,decode,decode_failure', 'labels', 'metadata=secret:metadata');
