-- Notices that people get: where they go, and what was told already.

-- What users say of themselves.
CREATE TABLE users (
    id text PRIMARY KEY,
    email varchar(254),
    -- JSON as it was written.
    metadata text NOT NULL DEFAULT '{}'
);
SELECT audit_table('users', 'user', 'id', 'id', 'NULL', 'NULL', 'email=secret:email', 'metadata=secret:metadata');

-- The address that a user's identity provider vouches for, as their token had it when it was last looked at. Apart from what
-- they say, because nobody changes it here.
CREATE TABLE token_emails (
    user_id text PRIMARY KEY,
    email varchar(254) NOT NULL
);

CREATE TABLE notice_channels (
    id uuid PRIMARY KEY,
    -- Whose it is: one of them.
    group_id uuid REFERENCES groups ON DELETE CASCADE,
    org_id uuid REFERENCES orgs ON DELETE CASCADE,
    user_id text,
    name varchar(254) NOT NULL,
    -- email, slack, teams, discord, mqtt, post.
    kind text NOT NULL,
    -- Of NoticeEvent.
    events text[] NOT NULL,
    is_enabled boolean NOT NULL,
    -- For how long notices are gathered, to be given together.
    gather_seconds int NOT NULL,
    -- Where to, and what it is signed with. Sealed (see SecretBox).
    secrets bytea NOT NULL,
    secrets_key int,
    -- Its place in the owner's list.
    place int NOT NULL,
    CHECK (num_nonnulls(group_id, org_id, user_id) = 1)
);
CREATE INDEX notice_channels_of_group ON notice_channels (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX notice_channels_of_org ON notice_channels (org_id) WHERE org_id IS NOT NULL;
CREATE INDEX notice_channels_of_user ON notice_channels (user_id) WHERE user_id IS NOT NULL;
SELECT audit_table('notice_channels', 'notice_channel', 'id', 'id', 'group_id', 'name', 'name', 'kind', 'events',
    'is_enabled', 'gather_seconds', 'secrets=sealed');

-- What became of what a channel was given. Apart from the channels, because it changes while they are used.
CREATE TABLE notice_channel_uses (
    channel_id uuid PRIMARY KEY REFERENCES notice_channels ON DELETE CASCADE,
    given bigint NOT NULL DEFAULT 0,
    -- Given up.
    dropped bigint NOT NULL DEFAULT 0,
    last_given_at timestamptz,
    last_error text,
    last_error_at timestamptz
) WITH (fillfactor = 50);

-- A notice of a channel. It has neither users nor a url, so an earlier build leaves it alone. Without a foreign key: whoever
-- records a delivery locks nothing, and what is left of a channel that is gone goes when it is due.
ALTER TABLE notifications ADD COLUMN channel uuid;
CREATE INDEX notifications_of_channel ON notifications (channel, due_at) WHERE channel IS NOT NULL;

-- How much of a webhook's failures was told (FailureStory), and when that began.
ALTER TABLE webhook_counters
    ADD COLUMN told smallint NOT NULL DEFAULT 0,
    ADD COLUMN told_at timestamptz;

-- What else was told of a webhook.
CREATE TABLE webhook_notices (
    webhook_key int PRIMARY KEY,
    given_up_at timestamptz,
    -- Since when it is behind; NULL if it is not.
    behind_since timestamptz,
    behind_told_at timestamptz
);

-- Whether its owners were told that a key ends.
ALTER TABLE api_keys ADD COLUMN end_told boolean NOT NULL DEFAULT false;
CREATE INDEX api_keys_ending ON api_keys (expires_at) WHERE ended_at IS NULL AND NOT end_told;
