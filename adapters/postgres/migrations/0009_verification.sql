-- A comparison of systems, states and golden records that somebody asked for. `token` rises with every process that takes it up.
CREATE TABLE verifications (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  state VARCHAR(20) NOT NULL DEFAULT 'waiting',
  -- Empty: all.
  systems TEXT[] NOT NULL,
  kinds TEXT[] NOT NULL,
  settle_ms INTEGER NOT NULL,
  asked_by TEXT NOT NULL,
  cancelled_by TEXT,
  token BIGINT NOT NULL DEFAULT 0,
  reason TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  started_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ,
  CONSTRAINT verifications_state CHECK (state IN ('waiting', 'running', 'equal', 'differs', 'failed', 'cancelled'))
);
CREATE INDEX idx_verifications_time ON verifications (created_at, id);
CREATE INDEX idx_verifications_open ON verifications (created_at) WHERE state IN ('waiting', 'running');

-- One kind of one system, and how far it was looked at.
CREATE TABLE verification_parts (
  verification_id UUID NOT NULL REFERENCES verifications ON DELETE CASCADE,
  place INTEGER NOT NULL,
  system VARCHAR(50) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  state VARCHAR(20) NOT NULL DEFAULT 'waiting',
  -- Which way it is read, and the last row read.
  pass VARCHAR(20),
  after JSONB,
  records BIGINT NOT NULL DEFAULT 0,
  findings BIGINT NOT NULL DEFAULT 0,
  moving BIGINT NOT NULL DEFAULT 0,
  reason TEXT,
  started_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ,
  PRIMARY KEY (verification_id, system, kind),
  CONSTRAINT verification_parts_state CHECK (state IN ('waiting', 'running', 'equal', 'differs', 'unreadable', 'failed', 'cancelled'))
) WITH (fillfactor = 50);

-- What differs. `suspected`: it may be a change on its way, and is looked at again.
CREATE TABLE verification_findings (
  verification_id UUID NOT NULL REFERENCES verifications ON DELETE CASCADE,
  system VARCHAR(50) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  -- The key of the record in the system, or the entity's id where it has none there.
  subject TEXT NOT NULL,
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  entity_id VARCHAR(100),
  key TEXT,
  state VARCHAR(20) NOT NULL,
  finding VARCHAR(20) NOT NULL,
  fields TEXT[] NOT NULL DEFAULT '{}',
  reason TEXT,
  -- What stood here and there when it was looked at last.
  here CHAR(64) NOT NULL,
  there CHAR(64) NOT NULL,
  round INTEGER NOT NULL DEFAULT 0,
  seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (verification_id, system, kind, subject),
  CONSTRAINT verification_findings_state CHECK (state IN ('suspected', 'found', 'moving'))
);
CREATE INDEX idx_verification_findings_seq ON verification_findings (verification_id, seq);

-- Per system and kind the time up to which everything was found equal, and what was found last.
CREATE TABLE verified_through (
  system VARCHAR(50) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  through TIMESTAMPTZ,
  findings BIGINT NOT NULL,
  moving BIGINT NOT NULL,
  checked_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (system, kind)
);

CREATE TABLE repairs (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  verification_id UUID NOT NULL REFERENCES verifications ON DELETE CASCADE,
  dry_run BOOLEAN NOT NULL,
  delete_unknown BOOLEAN NOT NULL,
  state VARCHAR(20) NOT NULL DEFAULT 'waiting',
  asked_by TEXT NOT NULL,
  token BIGINT NOT NULL DEFAULT 0,
  reason TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  ended_at TIMESTAMPTZ,
  CONSTRAINT repairs_state CHECK (state IN ('waiting', 'running', 'done', 'failed'))
);
CREATE INDEX idx_repairs_time ON repairs (created_at, id);
CREATE INDEX idx_repairs_open ON repairs (created_at) WHERE state IN ('waiting', 'running');

-- What is, or would be, done about one finding, and what came of it.
CREATE TABLE repair_items (
  repair_id UUID NOT NULL REFERENCES repairs ON DELETE CASCADE,
  system VARCHAR(50) NOT NULL,
  kind VARCHAR(50) NOT NULL,
  subject TEXT NOT NULL,
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  entity_id VARCHAR(100),
  key TEXT,
  finding VARCHAR(20) NOT NULL,
  fields TEXT[] NOT NULL DEFAULT '{}',
  action VARCHAR(20) NOT NULL,
  outcome VARCHAR(20) NOT NULL,
  reason TEXT,
  PRIMARY KEY (repair_id, system, kind, subject),
  CONSTRAINT repair_items_action CHECK (action IN ('write', 'tell', 'delete', 'remerge', 'compare', 'none')),
  CONSTRAINT repair_items_outcome CHECK (outcome IN ('planned', 'begun', 'equal', 'differs', 'left'))
);
CREATE INDEX idx_repair_items_seq ON repair_items (repair_id, seq);
