import type { Socket } from 'node:net';
import { type Database, translated } from './database.ts';
import type { Surroundings } from './dialect.ts';
import type { EngineAnswer, EngineSession } from './engine.ts';
import {
  type Batch,
  batchFrom,
  type Call,
  callFrom,
  type Login,
  loginFrom,
  type Message,
  MessageReader,
  packetType,
  parametersFrom,
} from './requests.ts';
import {
  answersOf,
  attentionAnswer,
  errorAnswer,
  loginAnswer,
  packetsOf,
  preloginAnswer,
  preparedAnswer,
  transactionAnswer,
} from './responses.ts';
import { ServerError, serverErrorOf } from './server-error.ts';
import type { TdsServer } from './tds-server.ts';
import { isSign, isWord, splitBy, type Token, tokensOf } from './tokens.ts';

const transactionSteps: Readonly<Record<number, 'begin' | 'commit' | 'rollback'>> = { 5: 'begin', 7: 'commit', 8: 'rollback' };
const none: EngineAnswer = { columns: [], rows: [], count: 0 };

/** One connection of a client: what it sends is done one after the other, but for attentions, which come in between. */
export class TdsSession {
  readonly id: number;
  program = '';
  database: Database | undefined;
  readonly #socket: Socket;
  readonly #server: TdsServer;
  readonly #reader = new MessageReader();
  #engine: EngineSession | undefined;
  #packetBytes = 4_096;
  #work: Promise<void> = Promise.resolve();
  #isBusy = false;
  #isCancelled = false;
  #rowCount = 0;
  /** By their handles. */
  readonly #prepared = new Map<string, string>();
  #lastHandle = 0;

  constructor(id: number, socket: Socket, server: TdsServer) {
    this.id = id;
    this.#socket = socket;
    this.#server = server;
    socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.on('close', () => this.#engine?.close());
    socket.on('data', (chunk: Buffer) => {
      for (const message of this.#reader.read(chunk)) this.#take(message);
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #take(message: Message): void {
    if (message.type === packetType.attention) {
      this.#isCancelled = this.#isBusy;
      if (this.#isBusy) this.#engine?.cancel().catch(() => undefined);
      else this.#send(attentionAnswer());
      return;
    }
    this.#isBusy = true;
    this.#work = this.#work
      .then(async () => {
        const answer = await this.#answer(message);
        this.#isBusy = false;
        this.#send(this.#isCancelled ? Buffer.concat([answer, attentionAnswer()]) : answer);
        this.#isCancelled = false;
      })
      // The client has gone, or the double does not know what it wants: it hears of it as of a broken connection.
      .catch(() => this.end());
  }

  #send(body: Buffer): void {
    if (this.#socket.destroyed) return;
    if (this.#engine !== undefined && this.#server.tornAnswers > 0) {
      this.#server.tornAnswers--;
      this.#socket.write(Buffer.concat(packetsOf(body, this.#packetBytes)).subarray(0, body.length / 2), () => this.end());
      return;
    }
    for (const packet of packetsOf(body, this.#packetBytes)) this.#socket.write(packet);
  }

  async #answer({ type, body }: Message): Promise<Buffer> {
    switch (type) {
      case packetType.prelogin:
        return preloginAnswer();
      case packetType.login:
        return this.#login(loginFrom(body));
      case packetType.batch:
        return this.#run(batchFrom(body), false);
      case packetType.rpc:
        return this.#call(callFrom(body));
      case packetType.transaction: {
        const step = transactionSteps[body.readUInt16LE(body.readUInt32LE(0))]!;
        await this.#engine!.transaction(step);
        return transactionAnswer(step);
      }
      default:
        throw new Error(`the double knows no packets of the type ${type}`);
    }
  }

  async #login({ user, password, program, database: name, packetBytes }: Login): Promise<Buffer> {
    const failed = new ServerError(18_456, `Login failed for user '${user}'.`, 14);
    if (!this.#server.isLogin(user, password)) return errorAnswer(failed);
    const database = this.#server.database(name === '' ? 'master' : name);
    const engine = await database?.openSession(user);
    if (database === undefined || engine === undefined)
      return errorAnswer(
        new ServerError(4_060, `Cannot open database "${name}" requested by the login. The login failed.`, 11),
        failed,
      );
    this.#engine = engine;
    this.database = database;
    this.program = program;
    const answer = loginAnswer(database.name, packetBytes);
    this.#packetBytes = packetBytes;
    return answer;
  }

  async #call({ procedure, values }: Call): Promise<Buffer> {
    const [first, , third] = values;
    const given = String(first!.value);
    switch (procedure) {
      case 'executesql':
        return this.#run({ sql: given, parameters: parametersFrom(values.slice(2)) }, true);
      case 'prepare':
        this.#prepared.set(String(++this.#lastHandle), String(third!.value));
        return preparedAnswer(this.#lastHandle);
      case 'execute': {
        const sql = this.#prepared.get(given);
        if (sql !== undefined) return this.#run({ sql, parameters: parametersFrom(values.slice(1)) }, true);
        return errorAnswer(new ServerError(8_179, `Could not find prepared statement with handle ${given}.`));
      }
      case 'unprepare':
        this.#prepared.delete(given);
        return answersOf([], undefined, true);
    }
  }

  async #run({ sql, parameters }: Batch, isCall: boolean): Promise<Buffer> {
    const answers: EngineAnswer[] = [];
    const variables = new Map(parameters);
    let isolation = '';
    try {
      for (const statement of splitBy(tokensOf(sql), ';')) {
        if (isWord(statement[0], 'SET')) {
          isolation = statement.some((token) => isWord(token, 'SNAPSHOT')) ? 'snapshot' : isolation;
          continue;
        }
        if (isolation === 'snapshot' && !this.database!.allowsSnapshot) throw this.#noSnapshot();
        if (isWord(statement[0], 'DECLARE')) await this.#declare(statement, variables);
        else answers.push(await this.#statement(statement, variables));
        this.#rowCount = answers.at(-1)?.count ?? 0;
      }
      return answersOf(answers, undefined, isCall);
    } catch (error) {
      return answersOf(answers, serverErrorOf(error, this.database!.name), isCall);
    }
  }

  /** `DECLARE @name type = value`. */
  async #declare(tokens: readonly Token[], variables: Map<string, string | Buffer | null>): Promise<void> {
    const value = tokens.slice(tokens.findIndex((token) => isSign(token, '=')) + 1);
    const { rows } = await this.#ask([{ kind: 'word', text: 'SELECT' }, ...value], variables);
    variables.set(tokens[1]!.text.toLowerCase(), rows[0]![0]!);
  }

  async #statement(tokens: readonly Token[], variables: ReadonlyMap<string, string | Buffer | null>): Promise<EngineAnswer> {
    if (await this.#govern(tokens)) return none;
    const around = this.#around(variables);
    const defined = await this.database!.define(tokens, this.#engine!, around);
    if (defined !== undefined) return defined;
    if (tokens.some((token) => isWord(token, 'dm_exec_sessions'.toUpperCase()))) await this.#server.showSessions(this.database!);
    return this.#ask(tokens, variables);
  }

  async #ask(tokens: readonly Token[], variables: ReadonlyMap<string, string | Buffer | null>): Promise<EngineAnswer> {
    const { sql, parameters } = translated(tokens, this.#around(variables));
    return this.#engine!.ask(sql, parameters);
  }

  #around(variables: ReadonlyMap<string, string | Buffer | null>): Surroundings {
    return {
      database: this.database!.name,
      sessionId: this.id,
      rowCount: this.#rowCount,
      tables: this.database!.tables,
      variables,
    };
  }

  /** What concerns the server as a whole: databases, logins, sessions. */
  async #govern([verb, what, name, ...rest]: readonly Token[]): Promise<boolean> {
    const server = this.#server;
    const text = name?.text ?? '';
    if (isWord(verb, 'KILL')) server.kill(Number(what!.text));
    else if (isWord(verb, 'CREATE') && isWord(what, 'DATABASE')) await server.createDatabase(text);
    else if (isWord(verb, 'DROP') && isWord(what, 'DATABASE')) await server.dropDatabase(text);
    else if (isWord(verb, 'ALTER') && isWord(what, 'DATABASE') && isWord(rest[1], 'SINGLE_USER')) server.breakConnections(text);
    else if (isWord(verb, 'ALTER') && isWord(what, 'DATABASE'))
      await (server.database(text) ?? this.database!).allowSnapshot(isWord(rest.at(-1), 'ON'));
    else if (isWord(verb, 'CREATE') && isWord(what, 'LOGIN'))
      server.createLogin(text, rest.find(({ kind }) => kind === 'string')!.text);
    else if (isWord(verb, 'DROP') && isWord(what, 'LOGIN')) server.dropLogin(text);
    else if (isWord(verb, 'CREATE') && isWord(what, 'USER')) await this.database!.createUser(text);
    else return false;
    return true;
  }

  #noSnapshot(): ServerError {
    const { name } = this.database!;
    return new ServerError(
      3_952,
      `Snapshot isolation transaction failed accessing database '${name}' because snapshot isolation is not allowed in this database.`,
    );
  }
}
