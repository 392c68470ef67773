import { type EngineStatement, type Surroundings, Translation } from './dialect.ts';
import { type EngineAnswer, EngineSession } from './engine.ts';
import { catalogueScript, forgetTable, type KnownTable, recordTable } from './known-tables.ts';
import { ServerError } from './server-error.ts';
import { columnFrom, columnList, constraintFrom, stampsOf } from './table-definition.ts';
import { closingOf, isSign, isWord, splitBy, type Token } from './tokens.ts';

/** Of `Engine.java`, and whether one answer follows from the arguments alone. */
const functions: Readonly<Record<string, boolean>> = {
  tsqlText: true,
  tsqlBytes: true,
  tsqlRounded: true,
  tsqlTry: true,
  tsqlNow: false,
  tsqlMinActiveVersion: false,
  tsqlHasPermission: false,
};
const administrator = 'SA';
const none: EngineAnswer = { columns: [], rows: [], count: 0 };

/** One database of the double: an H2 database in memory, and what SQL Server's catalogue says of it. */
export class Database {
  readonly name: string;
  readonly tables = new Map<string, KnownTable>();
  allowsSnapshot = false;
  readonly #port: number;
  readonly #admin: EngineSession;
  readonly #users = new Set<string>();
  #lastId = 1000;

  private constructor(name: string, port: number, admin: EngineSession) {
    this.name = name;
    this.#port = port;
    this.#admin = admin;
  }

  static async create(name: string, port: number): Promise<Database> {
    const admin = await EngineSession.open(port, addressOf(name) + settings, administrator, '');
    for (const statement of catalogueScript) await admin.ask(statement);
    await admin.ask('INSERT INTO sys.databases VALUES (?, 0)', [name]);
    await admin.ask('CREATE SCHEMA IF NOT EXISTS dbo');
    for (const [alias, isPure] of Object.entries(functions))
      await admin.ask(`CREATE ALIAS dbo.${alias} ${isPure ? 'DETERMINISTIC ' : ''}FOR "Engine.${alias}"`);
    return new Database(name, port, admin);
  }

  /** Undefined: the login has no user here. */
  async openSession(login: string): Promise<EngineSession | undefined> {
    const isAdministrator = login.toLowerCase() === 'sa';
    if (!isAdministrator && !this.#users.has(login.toLowerCase())) return undefined;
    const session = await EngineSession.open(
      this.#port,
      addressOf(this.name),
      isAdministrator ? administrator : login.toUpperCase(),
      '',
    );
    await session.ask('SET SCHEMA dbo');
    return session;
  }

  async drop(): Promise<void> {
    await this.#admin.ask('SHUTDOWN IMMEDIATELY').catch(() => undefined);
    this.#admin.close();
  }

  async allowSnapshot(allows: boolean): Promise<void> {
    this.allowsSnapshot = allows;
    await this.#admin.ask(`UPDATE sys.databases SET snapshot_isolation_state = ${allows ? 1 : 0}`);
  }

  async createUser(login: string): Promise<void> {
    await this.#admin.ask(`CREATE USER ${login.toUpperCase()} PASSWORD ''`);
    this.#users.add(login.toLowerCase());
  }

  /** What `sys.dm_exec_sessions` shows from now on. */
  async showSessions(sessions: readonly { id: number; program: string; database: string }[]): Promise<void> {
    await this.#admin.ask('DELETE FROM sys.dm_exec_sessions');
    for (const { id, program, database } of sessions)
      await this.#admin.ask('INSERT INTO sys.dm_exec_sessions VALUES (?, ?, ?)', [String(id), program, database]);
  }

  /** Definitions, which change the catalogue too; undefined for everything else. */
  async define(tokens: readonly Token[], session: EngineSession, around: Surroundings): Promise<EngineAnswer | undefined> {
    const [verb, what] = tokens;
    const translation = new Translation(around, tokens);
    if (isWord(verb, 'CREATE') && isWord(what, 'TABLE')) return this.#createTable(tokens, session, translation);
    if (isWord(verb, 'CREATE') && isWord(what, 'VIEW')) return this.#createView(tokens, session, translation);
    if (isWord(verb, 'CREATE') && tokens.slice(1, 4).some((token) => isWord(token, 'INDEX')))
      return this.#createIndex(tokens, session);
    if (isWord(verb, 'DROP') && isWord(what, 'TABLE', 'VIEW')) return this.#drop(tokens, session, translation);
    if (isWord(verb, 'ALTER') && isWord(what, 'TABLE')) return this.#alterTable(tokens, session, translation);
    if (isWord(verb, 'GRANT')) return this.#grant(tokens);
    return undefined;
  }

  async #createTable(tokens: readonly Token[], session: EngineSession, translation: Translation): Promise<EngineAnswer> {
    const { name, next } = objectName(tokens, 2);
    if (this.tables.has(name.toLowerCase()))
      throw new ServerError(2714, `There is already an object named '${name}' in the database.`);
    const table: KnownTable = { id: ++this.#lastId, name, type: 'U', columns: [], indexes: [] };
    const parts: string[] = [];
    for (const part of splitBy(tokens.slice(next + 1, closingOf(tokens, next)), ',')) {
      const constraint = constraintFrom(part);
      const defined = constraint === undefined ? columnFrom(part, translation) : undefined;
      parts.push(constraint?.sql ?? defined!.sql);
      const index = constraint?.index ?? defined!.index;
      if (index !== undefined) table.indexes.push(index);
      if (defined !== undefined) table.columns.push(defined.column);
    }
    const inKey = table.indexes
      .filter(({ isPrimary }) => isPrimary)
      .flatMap(({ columns }) => columns.map((column) => column.toLowerCase()));
    table.columns = table.columns.map((column) => ({
      ...column,
      notNull: column.notNull || inKey.includes(column.name.toLowerCase()),
    }));
    await session.ask(`CREATE TABLE dbo."${name}" (${parts.join(', ')})`);
    await this.#stamp(table, session);
    this.tables.set(name.toLowerCase(), table);
    await recordTable(this.#admin, table);
    return none;
  }

  async #stamp({ name, columns }: KnownTable, session: EngineSession): Promise<void> {
    const stamps = stampsOf(columns);
    if (stamps === undefined) return;
    await session.ask(
      `CREATE TRIGGER dbo."${name}__${stamps}" BEFORE INSERT, UPDATE ON dbo."${name}" FOR EACH ROW CALL "Engine$Stamp"`,
    );
  }

  async #createView(tokens: readonly Token[], session: EngineSession, translation: Translation): Promise<EngineAnswer> {
    const { name, next } = objectName(tokens, 2);
    await session.ask(`CREATE VIEW dbo."${name}" AS ${translation.translate(tokens.slice(next + 1))}`);
    const { rows } = await session.ask(
      'SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = ? ORDER BY ORDINAL_POSITION',
      [name],
    );
    const known = tokens.flatMap(({ text }) => this.tables.get(text.toLowerCase())?.columns ?? []);
    const columns = rows.map(([column]) => ({
      ...known.find((each) => each.name.toLowerCase() === String(column).toLowerCase())!,
      name: String(column),
    }));
    const view: KnownTable = { id: ++this.#lastId, name, type: 'V', columns, indexes: [] };
    this.tables.set(name.toLowerCase(), view);
    await recordTable(this.#admin, view);
    return none;
  }

  async #createIndex(tokens: readonly Token[], session: EngineSession): Promise<EngineAnswer> {
    const indexAt = tokens.findIndex((token) => isWord(token, 'INDEX'));
    const { name, next } = objectName(tokens, indexAt + 3);
    const columns = columnList(tokens.slice(next));
    const isUnique = isWord(tokens[1], 'UNIQUE');
    const hasFilter = tokens.slice(next).some((token) => isWord(token, 'WHERE'));
    const indexName = tokens[indexAt + 1]!.text;
    const list = columns.map((column) => `"${column}"`).join(', ');
    await session.ask(`CREATE ${isUnique && !hasFilter ? 'UNIQUE ' : ''}INDEX dbo."${indexName}" ON dbo."${name}" (${list})`);
    const table = this.#tableOf(name);
    if (isUnique) table.indexes.push({ name: indexName, isPrimary: false, hasFilter, columns });
    await recordTable(this.#admin, table);
    return none;
  }

  async #drop(tokens: readonly Token[], session: EngineSession, translation: Translation): Promise<EngineAnswer> {
    const { name } = objectName(tokens, 2);
    const table = this.#tableOf(name);
    await session.ask(translation.translate(tokens));
    this.tables.delete(name.toLowerCase());
    await forgetTable(this.#admin, table.id);
    return none;
  }

  /** `ADD column type`, `DROP COLUMN column`. */
  async #alterTable(tokens: readonly Token[], session: EngineSession, translation: Translation): Promise<EngineAnswer> {
    const { name, next } = objectName(tokens, 2);
    const table = this.#tableOf(name);
    if (isWord(tokens[next], 'ADD')) {
      const { column, sql } = columnFrom(tokens.slice(next + 1), translation);
      await session.ask(`ALTER TABLE dbo."${name}" ADD COLUMN ${sql}`);
      table.columns.push(column);
    } else {
      const dropped = tokens[next + 2]!.text;
      await session.ask(`ALTER TABLE dbo."${name}" DROP COLUMN "${dropped}"`);
      table.columns = table.columns.filter((column) => column.name.toLowerCase() !== dropped.toLowerCase());
    }
    await recordTable(this.#admin, table);
    return none;
  }

  /** Of single columns the engine has no rights: it lets the whole table be read, and the catalogue says which columns may be. */
  async #grant(tokens: readonly Token[]): Promise<EngineAnswer> {
    const { name } = objectName(tokens, tokens.findIndex((token) => isWord(token, 'ON')) + 1);
    const { text: user } = tokens.at(-1)!;
    const { id } = this.#tableOf(name);
    await this.#admin.ask(`GRANT SELECT ON dbo."${name}" TO ${user.toUpperCase()}`);
    for (const column of isSign(tokens[2], '(') ? columnList(tokens.slice(2)) : [''])
      await this.#admin.ask('INSERT INTO sys.permissions VALUES (?, ?, ?, ?)', [user, String(id), `[dbo].[${name}]`, column]);
    return none;
  }

  #tableOf(name: string): KnownTable {
    const table = this.tables.get(name.toLowerCase());
    if (table === undefined) throw new ServerError(208, `Invalid object name '${name}'.`);
    return table;
  }
}

export function translated(tokens: readonly Token[], around: Surroundings): EngineStatement {
  const translation = new Translation(around, tokens);
  return { sql: translation.translate(tokens), parameters: translation.parameters };
}

/** `name`, `dbo.name`; `next` is what stands behind it. */
function objectName(tokens: readonly Token[], at: number): { name: string; next: number } {
  const last = isSign(tokens[at + 1], '.') ? at + 2 : at;
  return { name: tokens[last]!.text, next: last + 1 };
}

/** Said once: whoever opens the database later takes it as it is. */
const settings =
  ';MODE=MSSQLServer;DB_CLOSE_DELAY=-1;CASE_INSENSITIVE_IDENTIFIERS=TRUE;DATABASE_TO_UPPER=FALSE;NON_KEYWORDS=VALUE,KEY,DAY,MONTH,YEAR,USER;LOCK_TIMEOUT=5000';

function addressOf(name: string): string {
  return `jdbc:h2:mem:${name}`;
}
