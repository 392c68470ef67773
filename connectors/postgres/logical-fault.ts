import { isSyncError, SyncError } from '../../core/errors.ts';
import { asSourceError } from './source-fault.ts';
import { sqlStateOf } from './sql-state.ts';

/** What the server says no to, and what to do about it. */
const advices: readonly { readonly state: string; readonly says: RegExp; readonly advice: string }[] = [
  {
    state: '55000',
    says: /wal_level/,
    advice: 'set `wal_level = logical` and restart the server (hosted databases have a switch for logical replication)',
  },
  {
    state: '53400',
    says: /replication slots/,
    advice: 'raise `max_replication_slots`, or drop a slot nobody reads: SELECT slot_name, active FROM pg_replication_slots',
  },
  { state: '53300', says: /wal_senders|standby|replication/, advice: 'raise `max_wal_senders`' },
  {
    state: '42501',
    says: /replication|walsender/i,
    advice: 'ALTER ROLE … REPLICATION for the user of the source (on RDS: GRANT rds_replication TO it)',
  },
  {
    state: '28000',
    says: /replication/i,
    advice: 'let the user of the source replicate in pg_hba.conf, and ALTER ROLE … REPLICATION',
  },
  {
    state: '08P01',
    says: /startup parameter/,
    advice: 'this is the address of a pooler, which does not replicate: give the address of the server itself as `directUrl`',
  },
];

/** Beside what every question may be answered: what keeps the log from being read. */
export function asReplicationError(error: unknown, place: string): SyncError {
  const found = isSyncError(error) ? error : asSourceError(error, null);
  const state = sqlStateOf(found);
  const known = advices.find((each) => each.state === state && each.says.test(found.message));
  if (known === undefined) return found;
  return new SyncError('source.misconfigured', `${found.message}; ${known.advice}`, {
    cause: error,
    details: { place, sqlState: state ?? null },
  });
}
