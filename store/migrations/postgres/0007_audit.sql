-- The newest entries of the audit log, and those that are past their time, are found
-- by an index. GoTrue has none, and its log may be long: whoever cannot wait makes this
-- index beforehand, with CREATE INDEX CONCURRENTLY.
CREATE INDEX IF NOT EXISTS postern_audit_log_created_at_idx ON auth.audit_log_entries (created_at DESC NULLS LAST, id DESC);
