import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TableSelection } from '../../core/ports/table-reader.ts';
import { quoted } from './catalogue.ts';
import { earlierConnections } from './changelog-install.ts';
import { logNamesOf, logTable, numbers, partAs, partName, registerTable } from './changelog-schema.ts';
import type { FirebirdSession, FirebirdTransaction } from './firebird-session.ts';
import { type FirebirdTable, findTable } from './firebird-table.ts';

/**
 * Before everything is read, all transactions have to be over that wrote while nothing was noted: what they write is in
 * neither the log nor, until they commit, the table.
 */
export interface BaselineGate {
  /** All up to this one. */
  readonly transaction: string;
  /** What the generator of lost notes said before it began. */
  readonly lost: string;
}

const patienceMs = 30_000;
const lookEveryMs = 250;
const droppedAtOnce = 10_000;

export async function findLogged(session: FirebirdSession, selection: TableSelection): Promise<FirebirdTable> {
  return session.transact('read', async (transaction) => {
    const table = await findTable(transaction, selection);
    await checkInstalled(transaction, table);
    return table;
  });
}

/** The triggers are there, active, and note the key that is configured. */
async function checkInstalled(transaction: FirebirdTransaction, { relation, key }: FirebirdTable): Promise<void> {
  const { trigger, tag } = logNamesOf(relation.name);
  const misfit = (what: string) =>
    new SyncError(
      'source.misconfigured',
      `the change log of ${quoted(relation.name)} ${what}: \`syncline firebird install\` makes it`,
      {
        details: { table: relation.name },
      },
    );
  const [found] = await transaction.rows(
    'SELECT COALESCE(RDB$TRIGGER_INACTIVE, 0) FROM RDB$TRIGGERS WHERE RDB$TRIGGER_NAME = ?',
    [trigger],
  );
  if (found === undefined) throw misfit('is not there');
  if (Number(found[0]) === 1) throw misfit('is switched off');
  const [row] = await transaction.rows(`SELECT KEY_COLUMNS FROM ${registerTable} WHERE TAG = ?`, [tag]);
  const wanted = key.map(({ name }) => name).join(',');
  if (String(row?.[0]) !== wanted) throw misfit(`notes the key ${row?.[0] ?? 'of nothing'} and not ${wanted}`);
}

/** Nobody writes past the triggers any more. */
export async function checkLog(session: FirebirdSession, table: string): Promise<void> {
  const { tag } = logNamesOf(table);
  const earlier = await session.transact('read', (transaction) => earlierConnections(transaction, tag));
  if (earlier === undefined) {
    throw new SyncError(
      'source.misconfigured',
      `only the owner of the database sees who was connected before the change log of ${quoted(table)} was made: run \`syncline firebird install\` again as the owner when all applications have connected anew`,
    );
  }
  if (earlier.length > 0) {
    throw new SyncError(
      'source.misconfigured',
      `connections from before the change log of ${quoted(table)} may write past it: ${earlier.join(', ')}. Let them connect anew, or end them: DELETE FROM MON$ATTACHMENTS WHERE MON$ATTACHMENT_ID = …`,
      { details: { table } },
    );
  }
}

/** From now on the log takes notes again, should it have been full. */
export async function beginGate(session: FirebirdSession, table: string): Promise<BaselineGate> {
  const { read, lost } = logNamesOf(table);
  return session.transact('write', async (transaction) => {
    await transaction.rows(`SELECT GEN_ID(${read}, GEN_ID(${numbers}, 0) - GEN_ID(${read}, 0)) FROM RDB$DATABASE`);
    const [row] = await transaction.rows(`SELECT GEN_ID(${lost}, 0), CURRENT_TRANSACTION FROM RDB$DATABASE`);
    return { lost: String(row![0]), transaction: String(row![1]) };
  });
}

export async function passGate(session: FirebirdSession, gate: BaselineGate, clock: Clock, signal: AbortSignal): Promise<void> {
  const untilMs = clock.nowMs() + patienceMs;
  for (;;) {
    const [row] = await session.transact('read', (transaction) => transaction.rows('SELECT MON$OLDEST_ACTIVE FROM MON$DATABASE'));
    if (signal.aborted || BigInt(String(row![0])) > BigInt(gate.transaction)) return;
    if (clock.nowMs() > untilMs) {
      throw new SyncError(
        'source.unavailable',
        `waits for transaction ${row![0]}, which began before the change log was complete: the application that holds it open has to commit`,
        { details: { transaction: String(row![0]) } },
      );
    }
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
  }
}

/**
 * What was noted of rows that stand is about to be read anyway. What was noted of others stays: that they are gone is told
 * by nothing else.
 */
export async function dropStanding(session: FirebirdSession, { relation, key }: FirebirdTable): Promise<void> {
  const { tag } = logNamesOf(relation.name);
  const same = key.map(({ name, type }, at) => `T.${quoted(name)} = ${partAs(`L.${partName(at)}`, type)}`).join(' AND ');
  const statement = `DELETE FROM ${logTable} L WHERE L.TAG = ? AND EXISTS (SELECT 1 FROM ${quoted(relation.name)} T WHERE ${same}) ROWS ${droppedAtOnce}`;
  for (let dropped = droppedAtOnce; dropped === droppedAtOnce; ) {
    dropped = await session.transact('drain', (transaction) => transaction.run(statement, [tag]));
  }
}
