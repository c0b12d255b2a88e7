-- What says how messages of Protocol Buffers are to be read, as profiles of a group name it by its SHA-256 (hex). Apart from them: messages that
-- wait, or are kept, name the one that they came in with, and a profile may have another since. The last of a group that no
-- profile names any more are left for them.
CREATE TABLE descriptor_sets (
    group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    digest text NOT NULL,
    descriptors bytea NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (digest, group_id)
);
CREATE INDEX descriptor_sets_group ON descriptor_sets (group_id, used_at);
