import firebird, { type Database, type Options, type QueryOptions, type Transaction } from 'node-firebird';
import { committed } from '../tables/session-pool.ts';
import { withinTime } from '../tables/time-limit.ts';
import { mendLogin } from './driver-login.ts';
import { FirebirdTimeout } from './firebird-fault.ts';
import { type FirebirdPlace, nameOf } from './firebird-place.ts';

export type Access = 'read' | 'write' | 'drain';
export type Parameter = string | number | boolean | Buffer | null;
export type Cell = string | number | boolean | Buffer | null | BlobHandle;
/** A BLOB that has not been read yet: good until its transaction ends. */
export type BlobHandle = (
  transaction: Transaction,
  then: (error: unknown, name: unknown, stream: NodeJS.EventEmitter) => void,
) => void;

const attachTimeoutMs = 10_000;
const detachTimeoutMs = 2_000;
const statementsKept = 60;
/** Rows that come for one request; the driver by itself asks for 200 and waits for each answer. */
const fetchedAtOnce = 1_000;

/** What the driver does not declare. */
interface DriverConnection {
  readonly _isClosed: boolean;
  _pooled: boolean;
  readonly _socket: { destroy(): void } | null;
}

/** The driver knows it and does not declare it. */
const asLists = { asObject: false } as QueryOptions;

interface FetchAnswer {
  readonly data: readonly (readonly Cell[])[];
  /** There are no more. */
  readonly fetched: boolean;
}

/** One attachment. It does one thing at a time; a question that is not answered in time ends it. */
export class FirebirdSession {
  readonly #database: Database;
  readonly #place: FirebirdPlace;
  #broken = false;

  private constructor(database: Database, place: FirebirdPlace) {
    this.#database = database;
    this.#place = place;
    // The questions under way are refused on their own; without a listener a lost connection would stop the process.
    (database as unknown as NodeJS.EventEmitter).on('error', () => undefined);
  }

  static async attach(place: FirebirdPlace): Promise<FirebirdSession> {
    mendLogin();
    let late = false;
    const attaching = firebird.attachAsync(optionsOf(place)).then((attached) => {
      const session = new FirebirdSession(attached as Database, place);
      if (late) session.abandon();
      return session;
    });
    try {
      return await bounded(attaching, Math.min(attachTimeoutMs, place.timeoutMs), `${nameOf(place)} does not answer`);
    } catch (error) {
      late = true;
      throw error;
    }
  }

  get isBroken(): boolean {
    return this.#broken || this.#connection._isClosed;
  }

  /**
   * `read` and `drain` see one moment. `write` sees what others have committed meanwhile, so that a row it has waited for is
   * the newest. The driver's own default would wait for every writer who has not decided yet.
   */
  async begin(access: Access): Promise<FirebirdTransaction> {
    const begun = this.#database.transactionAsync({
      // By its name it reads what is not committed; in fact it reads the newest that is.
      isolation: access === 'write' ? firebird.ISOLATION_READ_UNCOMMITTED : firebird.ISOLATION_REPEATABLE_READ,
      readOnly: access === 'read',
      wait: true,
      waitTimeout: Math.max(1, Math.floor(this.#place.timeoutMs / 2_000)),
    });
    return new FirebirdTransaction(await this.ask(begun), this);
  }

  /** Committed when the work is done, rolled back when it fails. */
  async transact<T>(access: Access, work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return committed(await this.begin(access), work);
  }

  async ask<T>(question: Promise<T>): Promise<T> {
    try {
      return await bounded(question, this.#place.timeoutMs, `${nameOf(this.#place)} did not answer in time`);
    } catch (error) {
      if (error instanceof FirebirdTimeout) this.abandon();
      throw error;
    }
  }

  async detach(): Promise<void> {
    if (!this.isBroken) {
      // Otherwise the driver keeps it for its own pool, which is not used here.
      this.#connection._pooled = false;
      await bounded(this.#database.detachAsync(true), detachTimeoutMs, 'detach').catch(() => undefined);
    }
    this.abandon();
  }

  /** Without a word: the server ends what belongs to it. */
  abandon(): void {
    this.#broken = true;
    this.#connection._socket?.destroy();
  }

  get driver(): Database {
    return this.#database;
  }

  get #connection(): DriverConnection {
    return (this.#database as unknown as { connection: DriverConnection }).connection;
  }
}

/** Under this name a session of ours that never writes to a table can be told from an application's. */
export const readerVariable = 'SYNCLINE_READER';

/** A session that writes to no table but the log. */
export async function attachReader(place: FirebirdPlace): Promise<FirebirdSession> {
  const session = await FirebirdSession.attach(place);
  try {
    const statement = `SELECT RDB$SET_CONTEXT('USER_SESSION', '${readerVariable}', '1') FROM RDB$DATABASE`;
    await session.transact('read', (transaction) => transaction.rows(statement));
    return session;
  } catch (error) {
    session.abandon();
    throw error;
  }
}

export class FirebirdTransaction {
  readonly #transaction: Transaction;
  readonly #session: FirebirdSession;

  constructor(transaction: Transaction, session: FirebirdSession) {
    this.#transaction = transaction;
    this.#session = session;
  }

  /** Rows as lists of cells, in the order of the statement's columns. */
  async rows(statement: string, parameters: readonly Parameter[] = []): Promise<readonly (readonly Cell[])[]> {
    const prepared = await this.#session.ask(this.#transaction.newStatementAsync(statement));
    try {
      await this.#session.ask(prepared.executeAsync(this.#transaction, [...parameters], asLists));
      const rows: (readonly Cell[])[] = [];
      for (;;) {
        const answer = (await this.#session.ask(prepared.fetchAsync(this.#transaction, fetchedAtOnce))) as FetchAnswer;
        for (const row of answer.data) rows.push(row);
        if (answer.fetched) return rows;
      }
    } catch (error) {
      (prepared as unknown as { _failed: boolean })._failed = true;
      throw error;
    } finally {
      if (!this.#session.isBroken) prepared.release();
    }
  }

  /** How many rows it changed. */
  async run(statement: string, parameters: readonly Parameter[] = []): Promise<number> {
    const result = await this.#session.ask(this.#transaction.executeAsync(statement, [...parameters], { withMeta: true }));
    return result.affectedRows ?? 0;
  }

  readBlob(blob: BlobHandle): Promise<Buffer> {
    const reading = new Promise<Buffer>((resolve, reject) => {
      blob(this.#transaction, (error, _name, stream) => {
        if (error) return reject(error);
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer | undefined) => {
          if (part !== undefined) parts.push(part);
        });
        stream.once('end', () => resolve(Buffer.concat(parts)));
        stream.once('error', reject);
      });
    });
    return this.#session.ask(reading);
  }

  async commit(): Promise<void> {
    await this.#session.ask(this.#transaction.commitAsync());
  }

  /** A transaction that cannot be rolled back ends with its session. */
  async rollback(): Promise<void> {
    if (this.#session.isBroken) return;
    await this.#session.ask(this.#transaction.rollbackAsync()).catch(() => this.#session.abandon());
  }
}

function optionsOf(place: FirebirdPlace): Options {
  return {
    host: place.host,
    port: place.port,
    database: place.database,
    user: place.user,
    password: place.password,
    // The server turns all character sets into this one, so that none is guessed here.
    encoding: 'UTF8',
    numericMode: 'string',
    blobReadChunkSize: 65_535,
    blobChunkSize: 65_535,
    statementCacheSize: statementsKept,
    ...(place.role === undefined ? {} : { role: place.role }),
    // Turning it off takes both.
    ...(place.encryption === 'off' ? { wireCrypt: firebird.WIRE_CRYPT_DISABLE, pluginName: firebird.AUTH_PLUGIN_SRP256 } : {}),
    // Otherwise the driver connects again behind our back, to a session that knows nothing of ours.
    isPool: true,
  } as Options;
}

function bounded<T>(answer: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return withinTime(answer, timeoutMs, () => new FirebirdTimeout(`${what} (${timeoutMs} ms)`));
}
