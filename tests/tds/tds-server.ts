import { createServer, type Server, type Socket } from 'node:net';
import { Database } from './database.ts';
import { type Engine, startEngine } from './engine.ts';
import { ServerError } from './server-error.ts';
import { TdsSession } from './tds-session.ts';

const administrator = 'sa';

/**
 * Speaks TDS 7.4 as SQL Server does, and has H2 execute what it is asked. It knows logins, databases and sessions; what
 * a statement means is a matter of `dialect.ts` and `database.ts`.
 */
export class TdsServer {
  readonly #engine: Engine;
  readonly #server: Server;
  readonly #databases = new Map<string, Database>();
  readonly #logins = new Map<string, string>();
  readonly #sessions = new Map<number, TdsSession>();
  #lastSessionId = 50;
  #port = 0;
  /** So many answers are cut off in the middle, and their connections with them. */
  tornAnswers = 0;

  private constructor(engine: Engine, password: string) {
    this.#engine = engine;
    this.#logins.set(administrator, password);
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(password: string): Promise<TdsServer> {
    const server = new TdsServer(await startEngine(), password);
    await server.createDatabase('master');
    await server.comeBack();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  async stop(): Promise<void> {
    await this.goAway();
    await this.#engine.stop();
  }

  /** As when the server is killed: it answers nobody, and keeps what was committed. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.breakConnections();
    await closed;
  }

  async comeBack(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as { port: number }).port;
  }

  /** All of them, or those into one database. */
  breakConnections(database?: string): void {
    for (const session of this.#sessions.values())
      if (database === undefined || session.database?.name === database) session.end();
  }

  kill(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new ServerError(6_106, `Process ID ${id} is not an active process ID.`);
    session.end();
  }

  /** What `sys.dm_exec_sessions` of a database is to show. */
  async showSessions(database: Database): Promise<void> {
    await database.showSessions(
      [...this.#sessions.values()].map(({ id, program, database: of }) => ({ id, program, database: of?.name ?? '' })),
    );
  }

  createLogin(name: string, password: string): void {
    this.#logins.set(name.toLowerCase(), password);
  }

  dropLogin(name: string): void {
    this.#logins.delete(name.toLowerCase());
  }

  isLogin(name: string, password: string): boolean {
    return this.#logins.get(name.toLowerCase()) === password;
  }

  database(name: string): Database | undefined {
    return this.#databases.get(name.toLowerCase());
  }

  async createDatabase(name: string): Promise<void> {
    if (this.database(name) !== undefined)
      throw new ServerError(1_801, `Database '${name}' already exists. Choose a different database name.`);
    this.#databases.set(name.toLowerCase(), await Database.create(name, this.#engine.port));
  }

  async dropDatabase(name: string): Promise<void> {
    const database = this.database(name);
    if (database === undefined) throw new ServerError(3_701, `Cannot drop the database '${name}', because it does not exist.`);
    this.#databases.delete(name.toLowerCase());
    await database.drop();
  }

  #serve(socket: Socket): void {
    const id = ++this.#lastSessionId;
    const session = new TdsSession(id, socket, this);
    this.#sessions.set(id, session);
    socket.once('close', () => this.#sessions.delete(id));
  }
}
