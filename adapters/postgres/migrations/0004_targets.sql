-- Who owns a resolved partition on behalf of a target, and how far it is. Each target has a progress of its own.
CREATE TABLE target_progress (
  target VARCHAR(50) NOT NULL,
  topic VARCHAR(249) NOT NULL,
  partition INTEGER NOT NULL,
  token BIGINT NOT NULL,
  next_offset BIGINT NOT NULL DEFAULT 0,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (target, topic, partition)
) WITH (fillfactor = 20);

-- What a target holds of an entity as far as we know: the intention written last, and what the target made of it.
CREATE TABLE target_state (
  target VARCHAR(50) NOT NULL,
  entity_id VARCHAR(100) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  key TEXT NOT NULL,
  version BIGINT NOT NULL,
  -- Null: that it is not there.
  intended CHAR(64),
  checksum CHAR(64),
  flips INTEGER NOT NULL DEFAULT 0,
  frozen BOOLEAN NOT NULL DEFAULT FALSE,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (target, entity_id)
) WITH (fillfactor = 70);

-- A write-back: noted down before it is made (pending), when it is made (written), when the sync manager has heard of it
-- (acknowledged), or that it was not made (void). What is settled goes with the next one of its entity.
CREATE TABLE echo_ledger (
  id UUID PRIMARY KEY,
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  target VARCHAR(50) NOT NULL,
  entity_id VARCHAR(100) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  key TEXT NOT NULL,
  version BIGINT NOT NULL,
  event_id UUID NOT NULL,
  through BIGINT NOT NULL,
  knowledge JSONB NOT NULL,
  -- What the write is conditional on, in the form that is compared; null: that nothing is there.
  expected_checksum CHAR(64),
  -- The row that is to stand there; null: none.
  intended JSONB,
  -- In canonical form, for targets that are sources too.
  replaced JSONB,
  returned JSONB,
  state VARCHAR(20) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT echo_ledger_state CHECK (state IN ('pending', 'written', 'acknowledged', 'void'))
) WITH (fillfactor = 70);
CREATE INDEX idx_echo_ledger_entity ON echo_ledger (target, entity_id, seq);
CREATE UNIQUE INDEX idx_echo_ledger_pending ON echo_ledger (target, entity_id) WHERE state = 'pending';

-- What a target would not take. The last word on each entity of a target.
CREATE TABLE target_letters (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  target VARCHAR(50) NOT NULL,
  entity_id VARCHAR(100) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  key TEXT,
  version BIGINT NOT NULL,
  topic VARCHAR(249) NOT NULL,
  partition INTEGER NOT NULL,
  code VARCHAR(50) NOT NULL,
  reason TEXT NOT NULL,
  details JSONB NOT NULL DEFAULT '{}',
  status VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT target_letters_status CHECK (status IN ('parked', 'replaying', 'applied', 'superseded', 'discarded')),
  UNIQUE (target, entity_id)
);
CREATE INDEX idx_target_letters_open ON target_letters (target, topic, partition) WHERE status IN ('parked', 'replaying');
CREATE INDEX idx_target_letters_time ON target_letters (failed_at, id);

-- Whether a target may be written to, and how much of it was changed lately.
CREATE TABLE target_guard (
  target VARCHAR(50) PRIMARY KEY,
  state VARCHAR(20) NOT NULL DEFAULT 'running',
  reason TEXT,
  known BIGINT NOT NULL DEFAULT 0,
  changed BIGINT NOT NULL DEFAULT 0,
  deleted BIGINT NOT NULL DEFAULT 0,
  window_from TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- Until then nothing is held back.
  approved_until TIMESTAMPTZ,
  approved_by VARCHAR(100),
  CONSTRAINT target_guard_state CHECK (state IN ('running', 'paused'))
);
