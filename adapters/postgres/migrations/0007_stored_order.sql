-- Sources overtake each other between coming in and being stored: the order in which an entity's events were decided is told by nothing else.
ALTER TABLE source_events ADD COLUMN stored_order BIGINT GENERATED ALWAYS AS IDENTITY;
DROP INDEX idx_source_events_entity;
CREATE INDEX idx_source_events_entity ON source_events (entity_id, stored_order);

-- A name with its id.
ALTER TABLE target_guard ALTER COLUMN approved_by TYPE TEXT;
