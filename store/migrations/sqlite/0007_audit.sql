-- The newest entries of the audit log, and those that are past their time, are found
-- by an index.
DROP INDEX IF EXISTS auth_audit_log_entries_created_at_idx;
CREATE INDEX auth_postern_audit_log_created_at_idx ON auth_audit_log_entries (created_at DESC, id DESC);
