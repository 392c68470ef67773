-- What the conflict engine keeps beside a row's data: what its source did and knew, or of a golden row what still waits.
ALTER TABLE sync_state ADD COLUMN voice JSONB;

-- The golden version an event made; its data where they are not the event's own, and JSON's null where it was deleted.
ALTER TABLE source_events ADD COLUMN golden_version BIGINT, ADD COLUMN golden_data JSONB;
CREATE INDEX idx_source_events_entity ON source_events (entity_id, event_id);

ALTER TABLE conflict_log
  ADD COLUMN kind VARCHAR(50),
  ADD COLUMN status VARCHAR(20) NOT NULL DEFAULT 'resolved',
  ADD COLUMN fields TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  ADD CONSTRAINT conflict_log_status CHECK (status IN ('open', 'resolved', 'skipped'));
CREATE INDEX idx_conflict_log_open ON conflict_log (created_at, conflict_id) WHERE status = 'open';
