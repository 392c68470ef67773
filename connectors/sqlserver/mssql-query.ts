import sql, { type config as Settings } from 'mssql';
import { nameOf, type SqlServerPlace } from './sqlserver-place.ts';
import type { Cell, SqlServerQuery } from './sqlserver-query.ts';

const connectTimeoutMs = 15_000;
const idleMs = 30_000;

/** What the server said before it hung up: the client passes on the last message alone, and without its number. */
class LoginRefused extends Error {
  readonly number: number;

  constructor({ number, message }: Refusal) {
    super(message);
    this.number = number;
  }
}

interface Refusal {
  readonly number: number;
  readonly message: string;
}

/** As far as the client shows a connection that is being opened. */
interface OpeningConnection {
  on(event: 'errorMessage', listener: (token: Refusal) => void): void;
  on(event: 'connect', listener: (error?: Error) => void): void;
}

/** The `mssql` client; connected at the first statement, and anew where that failed. */
export class MssqlQuery implements SqlServerQuery {
  readonly name: string;
  readonly #settings: Settings;
  #pool: Promise<sql.ConnectionPool> | undefined;
  #refusal: Refusal | undefined;

  constructor(place: SqlServerPlace, connectionsMax: number) {
    this.name = nameOf(place);
    this.#settings = settingsOf(place, connectionsMax, (connection) => this.#listen(connection));
  }

  async run(statement: string, parameters: readonly string[] = []): Promise<Cell[][]> {
    try {
      const request = (await this.#connected()).request();
      request.arrayRowMode = true;
      for (const [at, text] of parameters.entries()) request.input(`p${at}`, sql.NVarChar(sql.MAX), text);
      const { recordset } = await request.query(statement);
      return (recordset ?? []) as unknown as Cell[][];
    } catch (error) {
      const refusal = this.#refusal;
      if (refusal === undefined || (error as { code?: unknown }).code !== 'ELOGIN') throw error;
      throw new LoginRefused(refusal);
    }
  }

  async close(): Promise<void> {
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.close();
  }

  #connected(): Promise<sql.ConnectionPool> {
    if (this.#pool !== undefined) return this.#pool;
    const pool = new sql.ConnectionPool(this.#settings);
    // The question under way is refused on its own; without a listener a lost connection would stop the process.
    pool.on('error', () => undefined);
    this.#pool = pool.connect();
    this.#pool.catch(() => {
      this.#pool = undefined;
    });
    return this.#pool;
  }

  /** The first message says what is the matter: behind "Cannot open database" stands "Login failed". */
  #listen(connection: OpeningConnection): void {
    let first: Refusal | undefined;
    connection.on('errorMessage', (token) => {
      first ??= token;
    });
    connection.on('connect', (error) => {
      if (error !== undefined) this.#refusal = first;
    });
  }
}

function settingsOf(place: SqlServerPlace, connectionsMax: number, listen: (connection: OpeningConnection) => void): Settings {
  const { host, port, database, user, password, encrypt, trustServerCertificate, timeoutMs, applicationName } = place;
  return {
    ...{ server: host, port, database, user, password },
    connectionTimeout: Math.min(connectTimeoutMs, timeoutMs),
    requestTimeout: timeoutMs,
    pool: { max: connectionsMax, min: 0, idleTimeoutMillis: idleMs, acquireTimeoutMillis: timeoutMs },
    // What broke while it was idle is noticed without asking the server.
    validateConnection: 'socket',
    options: { encrypt, trustServerCertificate, appName: applicationName, enableArithAbort: true },
    beforeConnect: (connection) => listen(connection as unknown as OpeningConnection),
  };
}
