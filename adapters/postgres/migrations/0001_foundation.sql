-- The contract tables. Names and columns are a promise to whoever reads them; columns after the blank line of each are additions.

CREATE TABLE source_events (
  event_id UUID PRIMARY KEY,
  source_type VARCHAR(50) NOT NULL,
  source_id VARCHAR(100) NOT NULL,
  event_type VARCHAR(50) NOT NULL,
  data JSONB,
  timestamp TIMESTAMPTZ NOT NULL,
  status VARCHAR(20) NOT NULL,
  checksum VARCHAR(64),

  received_at TIMESTAMPTZ NOT NULL,
  entity_id VARCHAR(100) NOT NULL,
  position TEXT COLLATE "C" NOT NULL,
  correlation_id VARCHAR(128) NOT NULL,
  CONSTRAINT source_events_status CHECK (status IN ('applied', 'unchanged', 'stale', 'superseded', 'echo', 'conflicted'))
);
CREATE INDEX idx_source_events_timestamp ON source_events (timestamp);
CREATE INDEX idx_source_events_status ON source_events (status);

-- Rows are rewritten at every change: the room left in each page keeps the new version beside the old one and out of the indexes.
CREATE TABLE sync_state (
  entity_id VARCHAR(100) NOT NULL,
  source_type VARCHAR(50) NOT NULL,
  last_sync_at TIMESTAMPTZ NOT NULL,
  version BIGINT NOT NULL,
  data JSONB,
  status VARCHAR(20) NOT NULL,

  kind VARCHAR(50) NOT NULL,
  position TEXT COLLATE "C",
  checksum VARCHAR(64),
  event_id UUID NOT NULL,
  PRIMARY KEY (entity_id, source_type),
  CONSTRAINT sync_state_status CHECK (status IN ('synced', 'deleted', 'conflict'))
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX idx_sync_state_source ON sync_state (source_type, entity_id);
CREATE INDEX idx_sync_state_status ON sync_state (status, entity_id) WHERE status <> 'synced';

CREATE TABLE conflict_log (
  conflict_id UUID PRIMARY KEY,
  entity_id VARCHAR(100) NOT NULL,
  source_type VARCHAR(50) NOT NULL,
  conflict_type VARCHAR(50) NOT NULL,
  resolution VARCHAR(50) NOT NULL,
  details JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_conflict_log_entity ON conflict_log (entity_id, created_at);
CREATE INDEX idx_conflict_log_time ON conflict_log (created_at, conflict_id);

CREATE TABLE sync_metrics (
  metric_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  metric_name VARCHAR(100) NOT NULL,
  metric_value FLOAT NOT NULL,
  labels JSONB NOT NULL DEFAULT '{}',
  timestamp TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_sync_metrics_name_timestamp ON sync_metrics (metric_name, timestamp);

-- One row: which installation this is, and the epoch of its versions, raised after a restore from a backup.
CREATE TABLE installation (
  only_one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_one),
  installation_id UUID NOT NULL DEFAULT gen_random_uuid(),
  epoch INTEGER NOT NULL DEFAULT 1
);
INSERT INTO installation DEFAULT VALUES;

-- Who owns a raw partition, how far it is, and since when its cache entries can be trusted.
CREATE TABLE processor_progress (
  topic VARCHAR(249) NOT NULL,
  partition INTEGER NOT NULL,
  token BIGINT NOT NULL,
  next_offset BIGINT NOT NULL DEFAULT 0,
  claimed_through BIGINT NOT NULL DEFAULT 0,
  stopped_ahead BIGINT[] NOT NULL DEFAULT '{}',
  forwarded BIGINT NOT NULL DEFAULT 0,
  era UUID NOT NULL,
  config_id VARCHAR(64) NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);

-- Who owns a canonical partition, how far it is, and which raw offsets were settled through it.
CREATE TABLE sync_progress (
  topic VARCHAR(249) NOT NULL,
  partition INTEGER NOT NULL,
  token BIGINT NOT NULL,
  next_offset BIGINT NOT NULL DEFAULT 0,
  settled_through JSONB NOT NULL DEFAULT '{}',
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);

-- How many raw records ended how. Each counter has one writer, so partitions never wait for each other.
CREATE TABLE raw_outcomes (
  raw_topic VARCHAR(249) NOT NULL,
  raw_partition INTEGER NOT NULL,
  outcome VARCHAR(20) NOT NULL,
  counted_by VARCHAR(260) NOT NULL,
  records BIGINT NOT NULL,
  PRIMARY KEY (raw_topic, raw_partition, outcome, counted_by)
) WITH (fillfactor = 20);

-- What a committed batch still has to publish.
CREATE TABLE outbox (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic VARCHAR(249) NOT NULL,
  partition INTEGER NOT NULL,
  payload JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_outbox_partition ON outbox (topic, partition, id);

CREATE TABLE dead_letters (
  id UUID PRIMARY KEY,
  raw_topic VARCHAR(249) NOT NULL,
  raw_partition INTEGER NOT NULL,
  raw_offset BIGINT NOT NULL,
  stage VARCHAR(20) NOT NULL,
  source VARCHAR(100) NOT NULL,
  kind VARCHAR(100) NOT NULL,
  key TEXT,
  event_id TEXT,
  correlation_id TEXT,
  code VARCHAR(50) NOT NULL,
  reason TEXT NOT NULL,
  details JSONB NOT NULL DEFAULT '{}',
  body BYTEA,
  status VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TIMESTAMPTZ,
  failed_at TIMESTAMPTZ NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT dead_letters_status CHECK (status IN ('waiting', 'parked', 'replaying', 'applied', 'superseded', 'discarded')),
  UNIQUE (raw_topic, raw_partition, raw_offset)
);
CREATE INDEX idx_dead_letters_open ON dead_letters (status, next_attempt_at) WHERE status IN ('waiting', 'parked', 'replaying');
CREATE INDEX idx_dead_letters_time ON dead_letters (failed_at, id);

-- (source, kind, key) -> entity id, bound once.
CREATE TABLE entity_bindings (
  source VARCHAR(100) NOT NULL,
  kind VARCHAR(100) NOT NULL,
  key TEXT NOT NULL,
  entity_id VARCHAR(100) NOT NULL,
  bound_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (source, kind, key)
);
CREATE INDEX idx_entity_bindings_entity ON entity_bindings (entity_id, source);

CREATE TABLE match_keys (
  kind VARCHAR(100) NOT NULL,
  match_key TEXT NOT NULL,
  entity_id VARCHAR(100) NOT NULL,
  PRIMARY KEY (kind, match_key)
);

CREATE TABLE api_keys (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(100) NOT NULL,
  role VARCHAR(20) NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  key_hash CHAR(64) NOT NULL UNIQUE,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  revoked_at TIMESTAMPTZ
);

-- What was answered to an idempotency key, so that asking twice is asking once.
CREATE TABLE ingest_requests (
  idempotency_key VARCHAR(255) NOT NULL,
  scope VARCHAR(200) NOT NULL,
  body_hash CHAR(64) NOT NULL,
  drawn_positions JSONB NOT NULL,
  accepted BOOLEAN NOT NULL DEFAULT FALSE,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, idempotency_key)
);
CREATE INDEX idx_ingest_requests_created ON ingest_requests (created_at);

-- What each running role last said of itself.
CREATE TABLE role_reports (
  role VARCHAR(50) NOT NULL,
  instance VARCHAR(100) NOT NULL,
  state VARCHAR(20) NOT NULL,
  details JSONB NOT NULL DEFAULT '{}',
  reported_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (role, instance)
);
