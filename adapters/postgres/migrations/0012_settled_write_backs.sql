-- A target that is no source never says that it has heard: its write-backs, of which nothing but the row was noted, are closed when they are
-- made, and so are those that were not made. What lies here of them goes now.
DELETE FROM echo_ledger WHERE state = 'void' OR (state = 'written' AND replaced IS NULL AND returned IS NULL);
