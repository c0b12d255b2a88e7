-- What users gave as JSON, as they wrote it: jsonb keeps neither the digits of numbers nor the order of members, nor what
-- stands there twice. The jsonb beside it is what the version before reads and writes; a text that no longer says the same is
-- out of date.
ALTER TABLE profiles ADD COLUMN config_text text;
ALTER TABLE events ADD COLUMN details_text text;
