import mysql, { type Connection, type ConnectionOptions, type ResultSetHeader } from 'mysql2/promise';
import { withinTime } from '../tables/time-limit.ts';
import { MysqlTimeout } from './mysql-fault.ts';
import { type MysqlPlace, nameOf } from './mysql-place.ts';

/** The bytes of the server's own text of a value: nothing is lost on the way. */
export type Cell = Buffer | null;

export interface ServerFacts {
  readonly isMariadb: boolean;
  /** As grants name the user: `shop@10.0.0.1`. */
  readonly user: string;
  /** A statement must be smaller. */
  readonly statementBytesMax: number;
}

const connectTimeoutMs = 10_000;
const endTimeoutMs = 2_000;
/** Longer than any key an index takes: what is beyond is not looked at when rows are sorted. */
const sortedBytesMax = 4_096;
/**
 * Values that do not fit are refused instead of bent. Zero dates, which strict modes of later servers refuse, are what old
 * tables hold, and are written back as they were read; so is an id of 0.
 */
const sqlMode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO';

/** One connection. It does one thing at a time; a question that is not answered in time ends it. */
export class MysqlSession {
  readonly #connection: Connection;
  readonly #place: MysqlPlace;
  #facts: ServerFacts | undefined;
  #broken = false;

  private constructor(connection: Connection, place: MysqlPlace) {
    this.#connection = connection;
    this.#place = place;
    // The question under way is refused on its own; without a listener a lost connection would stop the process.
    connection.on('error', () => {
      this.#broken = true;
    });
  }

  static async open(place: MysqlPlace): Promise<MysqlSession> {
    const connection = await mysql.createConnection(optionsOf(place));
    const session = new MysqlSession(connection, place);
    try {
      await session.#prepare();
      return session;
    } catch (error) {
      session.abandon();
      throw error;
    }
  }

  get isBroken(): boolean {
    return this.#broken;
  }

  get facts(): ServerFacts {
    return this.#facts!;
  }

  /** Rows as lists of cells, in the order of the statement's columns. */
  async rows(statement: string): Promise<Cell[][]> {
    const [rows] = await this.#ask(this.#connection.query({ sql: statement, rowsAsArray: true, typeCast: false as never }));
    return rows as unknown as Cell[][];
  }

  /** How many rows each of these statements met. They go to the server together. */
  async run(statements: readonly string[]): Promise<number[]> {
    const [result] = await this.#ask(this.#connection.query(statements.join(';\n')));
    return [result as ResultSetHeader | ResultSetHeader[]].flat().map(({ affectedRows }) => affectedRows);
  }

  /**
   * `read` sees one moment. `write` sees what others have committed meanwhile, so that a row it has waited for is the newest,
   * and locks no gaps, so that two who insert do not wait for each other for ever.
   */
  async begin(access: 'read' | 'write'): Promise<void> {
    await this.run(
      access === 'read'
        ? ['START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY']
        : ['SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'START TRANSACTION READ WRITE'],
    );
  }

  async commit(): Promise<void> {
    await this.run(['COMMIT']);
  }

  /** A transaction that cannot be rolled back ends with its connection. */
  async rollback(): Promise<void> {
    if (!this.#broken) await this.run(['ROLLBACK']).catch(() => this.abandon());
  }

  async end(): Promise<void> {
    if (!this.#broken) await bounded(this.#connection.end(), endTimeoutMs, 'end').catch(() => undefined);
    this.abandon();
  }

  /** Without a word: the server rolls back what belongs to it. */
  abandon(): void {
    this.#broken = true;
    this.#connection.destroy();
  }

  async #prepare(): Promise<void> {
    const [found] = await this.rows('SELECT VERSION(), CURRENT_USER(), @@max_allowed_packet');
    const [version, user, packet] = found!.map((cell) => cell!.toString('utf8'));
    const isMariadb = version!.includes('MariaDB');
    this.#facts = { isMariadb, user: user!, statementBytesMax: Number(packet) };
    const { timeoutMs } = this.#place;
    const lockSeconds = Math.max(1, Math.floor(timeoutMs / 2_000));
    const settings = {
      time_zone: `'+00:00'`,
      sql_mode: `'${sqlMode}'`,
      max_sort_length: sortedBytesMax,
      innodb_lock_wait_timeout: lockSeconds,
      lock_wait_timeout: lockSeconds,
      // The server gives up first; the client does where the server is gone.
      ...(isMariadb ? { max_statement_time: timeoutMs / 1_000 } : { max_execution_time: timeoutMs }),
    };
    await this.run([
      `SET ${Object.entries(settings)
        .map(([name, value]) => `SESSION ${name} = ${value}`)
        .join(', ')}`,
      'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    ]);
  }

  async #ask<T>(question: Promise<T>): Promise<T> {
    try {
      return await bounded(question, this.#place.timeoutMs + 1_000, `${nameOf(this.#place)} did not answer in time`);
    } catch (error) {
      if (error instanceof MysqlTimeout) this.abandon();
      if ((error as { fatal?: boolean }).fatal === true) this.#broken = true;
      throw error;
    }
  }
}

function optionsOf(place: MysqlPlace): ConnectionOptions {
  const { host, port, database, user, password, tls, certificateAuthority, timeoutMs, applicationName } = place;
  return {
    ...{ host, port, database, user, password },
    charset: 'utf8mb4',
    connectTimeout: Math.min(connectTimeoutMs, timeoutMs),
    connectAttributes: { program_name: applicationName },
    enableKeepAlive: true,
    // Our own statements only: no value is put into them but as a literal of ours.
    multipleStatements: true,
    ...(tls === 'off' ? {} : { ssl: tlsOptions(tls, certificateAuthority) }),
  };
}

function tlsOptions(tls: 'required' | 'verify', ca: string | undefined) {
  if (tls === 'required') return { rejectUnauthorized: false };
  return { rejectUnauthorized: true, verifyIdentity: true, ...(ca === undefined ? {} : { ca }) };
}

function bounded<T>(answer: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return withinTime(answer, timeoutMs, () => new MysqlTimeout(`${what} (${timeoutMs} ms)`));
}
