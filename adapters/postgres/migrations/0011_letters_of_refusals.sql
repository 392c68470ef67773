-- A row that its source cannot tell is refused again at every reading: its open letter is found by the record. Keys may be longer than an index takes.
CREATE INDEX idx_dead_letters_record ON dead_letters (source, kind, hashtext(key)) WHERE status IN ('waiting', 'parked', 'replaying');
