-- Sources overtake each other between coming in and being stored: the order in which an entity's events were decided is told by nothing else.
ALTER TABLE source_events ADD COLUMN stored_order BIGINT GENERATED ALWAYS AS IDENTITY;
DROP INDEX idx_source_events_entity;
CREATE INDEX idx_source_events_entity ON source_events (entity_id, stored_order);

-- A name with its id.
ALTER TABLE target_guard ALTER COLUMN approved_by TYPE TEXT;

-- A write-back changes its row's state twice, which an index over the state would turn into new entries in every index.
DROP INDEX idx_echo_ledger_pending;
ALTER TABLE echo_ledger SET (fillfactor = 40);

-- The conflict under which a refused record stands in the conflict log, as long as the letter is open.
ALTER TABLE target_letters ADD COLUMN conflict_id UUID NOT NULL DEFAULT gen_random_uuid();
