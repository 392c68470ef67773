-- A binding changes at a raw offset of its key's own partition, so that a record that is processed twice is bound the same way both
-- times. What stood here before holds from the beginning; its match keys were never written down.
ALTER TABLE entity_bindings
  ADD COLUMN tenure INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN since_offset BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN seen_offset BIGINT NOT NULL DEFAULT -1,
  ADD COLUMN position TEXT COLLATE "C",
  ADD COLUMN match_keys TEXT[],
  -- Deleted at its source.
  ADD COLUMN gone BOOLEAN NOT NULL DEFAULT FALSE,
  -- The change that was judged last ended in a conflict.
  ADD COLUMN contested BOOLEAN NOT NULL DEFAULT FALSE,
  -- Offsets of moves whose rejoin has not come yet.
  ADD COLUMN awaiting BIGINT[] NOT NULL DEFAULT '{}';

-- The history of the bindings: moves, returns from deletion, and conflicts, each at the raw offset that brought it.
CREATE TABLE entity_links (
  source VARCHAR(100) NOT NULL,
  kind VARCHAR(100) NOT NULL,
  key TEXT NOT NULL,
  raw_offset BIGINT NOT NULL,
  reason VARCHAR(20) NOT NULL,
  entity_id VARCHAR(100),
  previous VARCHAR(100),
  previous_tenure INTEGER NOT NULL DEFAULT 0,
  match_key TEXT,
  held_by TEXT,
  linked_by TEXT,
  event_id UUID,
  -- False until what the entity before knew of the record has come.
  landed BOOLEAN NOT NULL,
  linked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (source, kind, key, raw_offset),
  CONSTRAINT entity_links_reason CHECK (reason IN ('match-key', 'link', 'merge', 'split', 'returned', 'conflict'))
);
CREATE INDEX idx_entity_links_entity ON entity_links (entity_id);
CREATE INDEX idx_entity_links_previous ON entity_links (previous);

-- Entities that somebody merged into another: their match keys point to the survivor.
CREATE TABLE entity_merges (
  entity_id VARCHAR(100) PRIMARY KEY,
  survivor VARCHAR(100) NOT NULL,
  merged_by TEXT NOT NULL,
  merged_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_entity_merges_survivor ON entity_merges (survivor);
CREATE INDEX idx_match_keys_entity ON match_keys (entity_id);

-- Which record of its source a row is about, where several had their turn: see `entity_bindings.tenure`.
ALTER TABLE sync_state ADD COLUMN tenure INTEGER;

-- Who else holds a key at a target.
CREATE INDEX idx_target_state_key ON target_state (target, kind, key);
