-- Who manages what an org has, and who sees it. Membership of an org is none of its groups.

CREATE TABLE org_members (
    org_id uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    member_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, member_id)
);
CREATE INDEX org_members_member ON org_members (member_id);

-- An entry is the org's by its id and names the member: orgs have no names, and whose rights changed where is told by every entry.
SELECT audit_table('org_members', 'org_member', 'org_id, member_id', 'org_id', 'NULL', 'member_id', 'role');
