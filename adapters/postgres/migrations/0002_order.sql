-- Changes that a stage refused, written down with the offset that settles them. A cache entry older than one of its
-- key proves nothing, because the dead letter may be replayed. Keys may be any bytes of any length, so their hash stands here.
CREATE TABLE refused_changes (
  letter_id UUID PRIMARY KEY,
  topic VARCHAR(249) NOT NULL,
  partition INTEGER NOT NULL,
  key_hash CHAR(64) NOT NULL,
  position TEXT COLLATE "C"
);
CREATE INDEX idx_refused_changes_key ON refused_changes (topic, partition, key_hash);

-- The clock that posts get their positions from, in microseconds: this server's, moved on by `shift_us` so that it never
-- goes back. `read_us` is its last reading; nobody has drawn a position above `through_us`.
CREATE TABLE position_clock (
  only_one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_one),
  shift_us BIGINT NOT NULL DEFAULT 0,
  read_us BIGINT NOT NULL,
  through_us BIGINT NOT NULL
) WITH (fillfactor = 20);
-- It begins above what was drawn from the machines' own clocks; what lies more than a day ahead was not.
INSERT INTO position_clock (read_us, through_us)
SELECT coalesce(max(drawn), 0), coalesce(max(drawn), 0)
FROM (SELECT ('x' || substr(position, 10, 16))::bit(64)::bigint AS drawn
      FROM sync_state WHERE position ~ '^00000001:0[0-9a-f]{15}-') AS posts
WHERE drawn < (extract(epoch FROM now()) + 86400) * 1000000;
