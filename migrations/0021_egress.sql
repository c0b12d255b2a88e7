-- How a group's requests are secured beyond what holds for all (see GroupTLS): client certificate, authorities, oldest TLS.
CREATE TABLE group_tls (
    -- The group.
    id uuid PRIMARY KEY REFERENCES groups ON DELETE CASCADE,
    -- Sealed (see SecretBox).
    secrets bytea NOT NULL,
    secrets_key int
);
SELECT audit_table('group_tls', 'group_tls', 'id', 'id', 'id', 'NULL', 'secrets=sealed');

-- Client certificates whose end was told: of a webhook or of a group, by its id. One that is replaced ends at another time, and
-- is told again.
CREATE TABLE certificate_notices (
    id uuid PRIMARY KEY,
    ends_at timestamptz NOT NULL
);
