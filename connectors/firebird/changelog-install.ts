import { SyncError } from '../../core/errors.ts';
import { quoted, sessionFacts } from './catalogue.ts';
import {
  checkLoggable,
  commonStatements,
  type LoggedTable,
  lastRemovals,
  logNamesOf,
  readerStatements,
  registerTable,
  removalStatements,
  tableStatements,
  triggerStatement,
} from './changelog-schema.ts';
import { asSourceError } from './firebird-fault.ts';
import { type FirebirdPlace, nameOf } from './firebird-place.ts';
import { FirebirdPool } from './firebird-pool.ts';
import { FirebirdSession, type FirebirdTransaction, readerVariable } from './firebird-session.ts';
import { findTable } from './firebird-table.ts';

export interface LogPlan {
  readonly statements: readonly string[];
}

export interface InstallPlan extends LogPlan {
  /** As the database spells them. */
  readonly tables: readonly string[];
  /** Those whose triggers are not there yet, or differ. */
  readonly made: readonly string[];
}

export interface WantedLog {
  readonly table: string;
  readonly key: readonly string[];
}

/** What `syncline firebird install` would run: what is there already is left out. */
export async function planInstall(
  place: FirebirdPlace,
  wanted: readonly WantedLog[],
  reader: string | undefined,
): Promise<InstallPlan> {
  return asking(place, async (transaction) => {
    const tables: LoggedTable[] = [];
    for (const { table, key } of wanted) {
      const { relation, key: columns } = await findTable(transaction, { table, key, columns: undefined, watermark: null });
      if (relation.isView) {
        throw new SyncError(
          'source.misconfigured',
          `${quoted(relation.name)} is a view, whose changes no trigger hears of: use \`mode: compare\``,
        );
      }
      checkLoggable({ name: relation.name, key: columns });
      tables.push({ name: relation.name, key: columns });
    }
    const known = await knownNames(transaction);
    const made: LoggedTable[] = [];
    for (const table of tables) if (!(await isLogged(transaction, table, known))) made.push(table);
    const statements = [
      ...commonStatements(),
      ...made.flatMap(tableStatements),
      ...(reader === undefined ? [] : tables.flatMap(({ name }) => readerStatements(name, reader))),
    ];
    return {
      statements: statements.filter(({ name }) => !known.has(name)).map(({ sql }) => sql),
      tables: tables.map(({ name }) => name),
      made: made.map(({ name }) => name),
    };
  });
}

/** By just the trigger that would be made. */
async function isLogged(transaction: FirebirdTransaction, table: LoggedTable, known: ReadonlySet<string>): Promise<boolean> {
  if (!known.has(registerTable)) return false;
  const { tag, trigger } = logNamesOf(table.name);
  const [found] = await transaction.rows(
    `SELECT CAST(RDB$TRIGGER_SOURCE AS VARCHAR(8000)) FROM RDB$TRIGGERS WHERE RDB$TRIGGER_NAME = ? AND COALESCE(RDB$TRIGGER_INACTIVE, 0) = 0`,
    [trigger],
  );
  const [registered] = await transaction.rows(`SELECT KEY_COLUMNS FROM ${registerTable} WHERE TAG = ?`, [tag]);
  const isSame = found !== undefined && triggerStatement(table).endsWith(String(found[0]).trim());
  return isSame && String(registered?.[0]) === table.key.map(({ name }) => name).join(',');
}

/** No tables: all that are logged. */
export async function planUninstall(place: FirebirdPlace, tables: readonly string[]): Promise<LogPlan> {
  return asking(place, async (transaction) => {
    const known = await knownNames(transaction);
    const rows = known.has(registerTable) ? await transaction.rows(`SELECT TABLE_NAME FROM ${registerTable}`) : [];
    const registered = rows.map(([name]) => String(name));
    const isMeant = (name: string) =>
      tables.length === 0 || tables.some((table) => name === table || name === table.toUpperCase());
    const gone = registered.filter(isMeant);
    const last = gone.length === registered.length ? lastRemovals.filter(({ name }) => known.has(name)) : [];
    return { statements: [...gone.flatMap(removalStatements), ...last.map(({ sql }) => sql)] };
  });
}

/** A session each, as definitions want it: what a session has used it keeps in use. */
export async function applyPlan(place: FirebirdPlace, { statements }: LogPlan): Promise<void> {
  for (const statement of statements) {
    const pool = new FirebirdPool(place, 1);
    try {
      await pool.transact('drain', (transaction) => transaction.run(statement));
    } catch (error) {
      throw asSourceError(error, `${nameOf(place)}: ${statement.split('\n')[0]}`, '; the owner of the database may do it');
    } finally {
      await pool.close();
    }
  }
}

/** Runs the plan, and says who may still write past the triggers. */
export async function install(place: FirebirdPlace, plan: InstallPlan): Promise<readonly string[]> {
  await applyPlan(place, plan);
  await fence(place, plan);
  const pool = new FirebirdPool(place, 1);
  try {
    return await pool.transact('write', async (transaction) => {
      const earlier = new Set<string>();
      for (const table of plan.tables) {
        const { tag } = logNamesOf(table);
        const found = (await earlierConnections(transaction, tag)) ?? [];
        for (const connection of found) earlier.add(connection);
        if (found.length === 0) await transaction.run(`UPDATE ${registerTable} SET READY = 1 WHERE TAG = ?`, [tag]);
      }
      return [...earlier];
    });
  } catch (error) {
    throw asSourceError(error, nameOf(place));
  } finally {
    await pool.close();
  }
}

/**
 * An application that prepared its statements before the triggers were there goes on without them for as long as it is
 * connected. So whoever was connected when the last trigger was made has to leave before the log is complete.
 */
async function fence(place: FirebirdPlace, { tables, made }: InstallPlan): Promise<void> {
  const session = await FirebirdSession.attach(place);
  try {
    const transaction = await session.begin('write');
    for (const table of tables) {
      // What somebody made by hand from the SQL that was shown has none yet.
      const which = made.includes(table) ? '' : ' AND FENCE IS NULL';
      await transaction.run(`UPDATE ${registerTable} SET FENCE = CURRENT_CONNECTION, READY = 0 WHERE TAG = ?${which}`, [
        logNamesOf(table).tag,
      ]);
    }
    await transaction.commit();
  } finally {
    await session.detach();
  }
}

/** Those who may still write past the triggers, one line each; undefined where this user may not see them. */
export async function earlierConnections(transaction: FirebirdTransaction, tag: string): Promise<readonly string[] | undefined> {
  const [row] = await transaction.rows(`SELECT READY, FENCE FROM ${registerTable} WHERE TAG = ?`, [tag]);
  if (Number(row?.[0]) === 1) return [];
  if (row?.[1] === null || row?.[1] === undefined) {
    throw new SyncError(
      'source.misconfigured',
      'the change log was made by hand: `syncline firebird install --yes` finds out who was connected before',
    );
  }
  if (!(await sessionFacts(transaction)).isOwner) return undefined;
  const found = await transaction.rows(
    `SELECT MON$ATTACHMENT_ID, TRIM(MON$USER), COALESCE(MON$REMOTE_ADDRESS, 'local'), COALESCE(MON$REMOTE_PROCESS, '')
     FROM MON$ATTACHMENTS WHERE MON$ATTACHMENT_ID < ? AND MON$SYSTEM_FLAG = 0 AND MON$ATTACHMENT_ID <> CURRENT_CONNECTION
       AND MON$ATTACHMENT_ID NOT IN (SELECT MON$ATTACHMENT_ID FROM MON$CONTEXT_VARIABLES
         WHERE MON$VARIABLE_NAME = '${readerVariable}' AND MON$ATTACHMENT_ID IS NOT NULL)`,
    [String(row[1])],
  );
  return found.map(([id, user, address, process]) => `${id} (${user}, ${address}${process === '' ? '' : `, ${process}`})`);
}

async function knownNames(transaction: FirebirdTransaction): Promise<ReadonlySet<string>> {
  const rows = await transaction.rows(
    `SELECT TRIM(RDB$RELATION_NAME) FROM RDB$RELATIONS WHERE RDB$RELATION_NAME STARTING 'SYNCLINE_' UNION ALL
     SELECT TRIM(RDB$GENERATOR_NAME) FROM RDB$GENERATORS WHERE RDB$GENERATOR_NAME STARTING 'SYNCLINE_' UNION ALL
     SELECT TRIM(RDB$INDEX_NAME) FROM RDB$INDICES WHERE RDB$INDEX_NAME STARTING 'SYNCLINE_'`,
  );
  return new Set(rows.map(([name]) => String(name)));
}

async function asking<T>(place: FirebirdPlace, work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
  const pool = new FirebirdPool(place, 1);
  try {
    return await pool.read(work);
  } catch (error) {
    throw asSourceError(error, nameOf(place));
  } finally {
    await pool.close();
  }
}
