-- What has to be known of a flow besides: a hash of what only the browser knows
-- that began it, if that has to be the one to end it; and when a browser came back,
-- which one does once.
CREATE TABLE auth_postern_flows (
  flow_id     TEXT NOT NULL PRIMARY KEY REFERENCES auth_flow_state (id) ON DELETE CASCADE,
  browser     TEXT,
  returned_at TEXT CHECK (returned_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
