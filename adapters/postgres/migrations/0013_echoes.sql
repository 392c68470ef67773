-- The sync manager tells the echo of a write-back from a deed of its system, whichever comes first, the echo or the acknowledgement.
ALTER TABLE echo_ledger
  -- Of the record as the system will tell it: as it was meant, and as the system made it once that is known.
  ADD COLUMN echo CHAR(64),
  -- Whether the system's row in sync_state has it.
  ADD COLUMN heard BOOLEAN NOT NULL DEFAULT false,
  -- Whether the system told of it, or will not any more.
  ADD COLUMN told BOOLEAN NOT NULL DEFAULT false,
  -- A word was taken for told late by its looks: the target looks whether the record is there as it is believed to be.
  ADD COLUMN doubted BOOLEAN NOT NULL DEFAULT false;
UPDATE echo_ledger SET heard = true, told = true WHERE state = 'acknowledged';
