import { SyncError } from '../../core/errors.ts';
import type { LogicalDatabase } from './logical-database.ts';
import { asReplicationError } from './logical-fault.ts';
import { type Lsn, lsnFromText } from './pgoutput.ts';
import { sqlStateOf } from './sql-state.ts';
import { quoted } from './table-shape.ts';

export interface SlotState {
  /** The server has forgotten what was committed before. */
  readonly confirmed: Lsn;
  /** Where the server's log ends at present. */
  readonly now: Lsn;
  /** How much of the log the slot keeps. */
  readonly keptBytes: number;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string;
  readonly reader: { readonly pid: number; readonly name: string } | null;
}

interface SlotRow {
  plugin: string;
  here: boolean;
  confirmed: string | null;
  now: string;
  kept: string | null;
  wal_status: string | null;
  pid: number | null;
  name: string | null;
}

/** `syncline_` and the source's name as far as PostgreSQL allows it. */
export function defaultSlotName(source: string): string {
  return `syncline_${source.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, 50);
}

export async function readSlot(database: LogicalDatabase, slot: string): Promise<SlotState | null> {
  const rows = await database.query<SlotRow>(
    `SELECT s.plugin, s.database = current_database() AS here, s.confirmed_flush_lsn::text AS confirmed, pg_current_wal_flush_lsn()::text AS now,
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), s.restart_lsn)::text AS kept, s.wal_status, s.active_pid AS pid, a.application_name AS name
     FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`,
    [slot],
  );
  const row = rows[0];
  if (row === undefined) return null;
  if (row.plugin !== 'pgoutput' || !row.here) {
    throw new SyncError(
      'source.misconfigured',
      `the slot ${quoted(slot)} belongs to another database or plugin: name another one as \`slot\``,
    );
  }
  return {
    confirmed: lsnFromText(row.confirmed ?? '0/0'),
    now: lsnFromText(row.now),
    keptBytes: Number(row.kept ?? 0),
    walStatus: row.wal_status ?? 'reserved',
    reader: row.pid === null ? null : { pid: row.pid, name: row.name ?? '' },
  };
}

export async function createSlot(database: LogicalDatabase, slot: string): Promise<void> {
  try {
    await database.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  } catch (error) {
    // Another process was faster.
    if (sqlStateOf(error) === '42710') return;
    throw asReplicationError(error, slot);
  }
}

export async function dropSlot(database: LogicalDatabase, slot: string): Promise<void> {
  await database.query(
    'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NULL',
    [slot],
  );
}
