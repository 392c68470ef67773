-- Where two sources that should hold the same do not. Written in the transaction that writes the states.
CREATE TABLE differences (
  entity_id VARCHAR(100) NOT NULL,
  left_source VARCHAR(50) NOT NULL,
  right_source VARCHAR(50) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  entity_kind VARCHAR(50) NOT NULL,
  fields JSONB NOT NULL DEFAULT '{}',
  since TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (entity_id, left_source, right_source),
  CONSTRAINT differences_kind CHECK (kind IN ('only_left', 'only_right', 'differs'))
) WITH (fillfactor = 70);
CREATE INDEX idx_differences_pair ON differences (left_source, right_source, entity_id) INCLUDE (entity_kind, kind);

-- What is compared, by which configuration, and whether the table above says it exactly. `generation` rises with every reason
-- to compare everything anew; before `not_before` somebody may still write by another configuration.
CREATE TABLE difference_pairs (
  left_source VARCHAR(50) NOT NULL,
  right_source VARCHAR(50) NOT NULL,
  entity_kind VARCHAR(50) NOT NULL,
  config_id VARCHAR(64) NOT NULL,
  state VARCHAR(20) NOT NULL,
  generation BIGINT NOT NULL DEFAULT 1,
  not_before TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (left_source, right_source, entity_kind),
  CONSTRAINT difference_pairs_state CHECK (state IN ('building', 'exact', 'removed'))
);
