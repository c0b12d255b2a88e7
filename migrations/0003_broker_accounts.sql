-- The key of a thing under seal (see SecretBox), so that its account at the broker can be made again. NULL where no
-- secrets key was configured when the key was set; key_hash alone is then known.
ALTER TABLE things ADD COLUMN key_sealed bytea;
