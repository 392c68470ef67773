-- Who reads a stream of a source, and how far it is. Whatever is stored is a compare-and-set on the token.
CREATE TABLE source_streams (
  source VARCHAR(50) NOT NULL,
  stream VARCHAR(128) NOT NULL,
  token BIGINT NOT NULL,
  owner VARCHAR(200),
  owner_seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- Rises when the stream is read anew from the beginning.
  epoch INTEGER NOT NULL DEFAULT 1,
  mark JSON,
  phase VARCHAR(20) NOT NULL DEFAULT 'snapshot',
  state VARCHAR(20) NOT NULL DEFAULT 'running',
  error_code VARCHAR(50),
  reason TEXT,
  -- Somebody has resumed it: what had changed is accepted. Until the next step.
  accepted BOOLEAN NOT NULL DEFAULT FALSE,
  rows BIGINT NOT NULL DEFAULT 0,
  lag_ms BIGINT,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (source, stream),
  CONSTRAINT source_streams_phase CHECK (phase IN ('snapshot', 'changes', 'waiting')),
  CONSTRAINT source_streams_state CHECK (state IN ('running', 'paused'))
) WITH (fillfactor = 20);

-- What a stream keeps beside its mark: of a table that is compared, the digests of its rows, chunk by chunk.
CREATE TABLE source_notes (
  source VARCHAR(50) NOT NULL,
  stream VARCHAR(128) NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  head JSON NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (source, stream, name)
);
-- Digests do not get shorter by being compressed.
ALTER TABLE source_notes ALTER COLUMN body SET STORAGE EXTERNAL;
