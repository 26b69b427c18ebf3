-- What has to be known of a flow besides: a hash of what only the browser knows
-- that began it, if that has to be the one to end it; and when a browser came back,
-- which one does once.
CREATE TABLE auth.postern_flows (
  flow_id     uuid PRIMARY KEY REFERENCES auth.flow_state (id) ON DELETE CASCADE,
  browser     text,
  returned_at timestamptz
);

-- Without a policy only the owner gets in, as with GoTrue's tables.
ALTER TABLE auth.postern_flows ENABLE ROW LEVEL SECURITY;
