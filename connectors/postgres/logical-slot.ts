import { SyncError } from '../../core/errors.ts';
import type { LogicalDatabase } from './logical-database.ts';
import { asReplicationError, sqlStateOf } from './logical-fault.ts';
import type { LogicalShape } from './logical-shape.ts';
import { type Lsn, lsnFromText } from './pgoutput.ts';
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

interface PublicationRow {
  whole: boolean;
  complete: boolean;
  via_root: boolean;
  tables: string[];
}

export async function readPublication(database: LogicalDatabase, name: string): Promise<PublicationRow | undefined> {
  const rows = await database.query<PublicationRow>(
    `SELECT p.puballtables AS whole, p.pubinsert AND p.pubupdate AND p.pubdelete AS complete, p.pubviaroot AS via_root,
       ARRAY(SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_publication_tables WHERE pubname = p.pubname) AS tables
     FROM pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  return rows[0];
}

export function publishedTables(database: LogicalDatabase, publication: string): Promise<{ schema: string; table: string }[]> {
  return database.query('SELECT schemaname AS schema, tablename AS table FROM pg_publication_tables WHERE pubname = $1', [
    publication,
  ]);
}

/**
 * Sees to it that the table's changes are published; true where the publication had to be made, which slots from before do
 * not know. A table that was read before and is left out of it has changes that nobody will tell.
 */
export async function publish(
  database: LogicalDatabase,
  publication: string,
  shape: LogicalShape,
  wasRead: boolean,
): Promise<boolean> {
  const found = await readPublication(database, publication);
  const name = quoted(publication);
  if (found === undefined) {
    await alter(database, `CREATE PUBLICATION ${name} FOR TABLE ${shape.name} WITH (publish_via_partition_root = true)`, shape);
    return true;
  }
  if (!found.complete) {
    throw new SyncError(
      'source.misconfigured',
      `the publication ${name} leaves changes out: ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`,
    );
  }
  const [{ listed } = { listed: '' }] = await database.query<{ listed: string }>(
    `SELECT quote_ident($1) || '.' || quote_ident($2) AS listed`,
    [shape.schema, shape.table],
  );
  if (found.tables.includes(listed)) return false;
  if (wasRead) throw new SyncError('source.position-lost', `the publication ${name} left ${shape.name} out for a while`);
  await alter(database, `ALTER PUBLICATION ${name} ADD TABLE ${shape.name}`, shape);
  return false;
}

async function alter(database: LogicalDatabase, statement: string, shape: LogicalShape): Promise<void> {
  try {
    await database.query(statement);
  } catch (error) {
    const state = sqlStateOf(error);
    if (state === '42710') return;
    if (state !== '42501') throw error;
    throw new SyncError(
      'source.misconfigured',
      `the user of the source may not publish ${shape.name}: let the owner of the table and the publication run ${statement}`,
      { cause: error },
    );
  }
}
