-- What orgs' notices are signed with, sealed (see SecretBox). Made when it is first needed.
ALTER TABLE orgs ADD COLUMN secrets bytea, ADD COLUMN secrets_key int;
