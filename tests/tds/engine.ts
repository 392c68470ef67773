import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SyncError } from '../../core/errors.ts';
import { findJava } from '../../stack/java.ts';
import { copyArtifact, verifyArtifacts } from '../../stack/maven.ts';
import { type FetchContext, fetchOnce } from '../../stack/package-cache.ts';
import { installSystemPart, partMissing } from '../../stack/system-packages.ts';

const artifact = 'com.h2database:h2:2.4.240';
const cacheName = 'h2-2.4.240';
const why = 'the engine behind the double of SQL Server is compiled when it starts';
const source = join(import.meta.dirname, 'Engine.java');
const quiet: FetchContext = { onProgress: () => undefined };

/** H2 as a process of its own; it ends with this one, however that ends. */
export interface Engine {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startEngine(): Promise<Engine> {
  const folder = await fetchOnce(cacheName, quiet, async (target) => {
    await copyArtifact(artifact, target, quiet);
    await verifyArtifacts('h2', target);
  });
  const java = await provideCompiler();
  const args = ['-XX:TieredStopAtLevel=1', '-Xmx384m', '-cp', join(folder, 'h2-2.4.240.jar'), source];
  const child = spawn(java, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    port: await portOf(child),
    async stop() {
      child.stdin!.end();
      await ended;
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdout! })) return Number(line);
  throw new SyncError('stack.start-failed', 'the engine behind the double of SQL Server did not start');
}

/** A Java that compiles: a runtime alone does not. */
async function provideCompiler(): Promise<string> {
  const found = await findCompiler();
  if (found !== undefined) return found;
  await installSystemPart('jdk', why, quiet);
  const installed = await findCompiler();
  if (installed === undefined) throw partMissing('jdk', why);
  return installed;
}

async function findCompiler(): Promise<string | undefined> {
  const java = await findJava(17);
  const homes = [...(java === undefined ? [] : [java.home]), ...globSync('/usr/lib/jvm/*').sort().reverse()];
  const home = homes.find((folder) => existsSync(join(folder, 'bin', 'javac')));
  return home === undefined ? undefined : join(home, 'bin', 'java');
}

export interface EngineColumn {
  readonly name: string;
  /** As H2 calls it: `CHARACTER VARYING`. */
  readonly type: string;
  readonly precision: number;
  readonly scale: number;
}

export type EngineCell = string | Buffer | null;

export interface EngineAnswer {
  /** Empty where the statement has no rows. */
  readonly columns: readonly EngineColumn[];
  readonly rows: readonly (readonly EngineCell[])[];
  /** Rows met. */
  readonly count: number;
}

export class EngineError extends Error {
  /** H2's own number. */
  readonly number: number;

  constructor(number: number, message: string) {
    super(message);
    this.number = number;
  }
}

class SessionLost extends Error {}

/** One session of one user in one database; it does one thing at a time. */
export class EngineSession {
  readonly #port: number;
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);
  #id = 0;

  private constructor(port: number) {
    this.#port = port;
    this.#socket = connect(port, '127.0.0.1').setNoDelay();
    this.#socket.on('error', () => undefined);
    this.#chunks = this.#socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  static async open(port: number, database: string, user: string, password: string): Promise<EngineSession> {
    const session = new EngineSession(port);
    session.#socket.write(Buffer.concat([Buffer.from('O'), ...[database, user, password].map(textBytes)]));
    await session.#answer();
    return session;
  }

  async ask(statement: string, parameters: readonly (string | null)[] = []): Promise<EngineAnswer> {
    const values = parameters.map((text) =>
      text === null ? Buffer.from([0]) : Buffer.concat([Buffer.from([1]), textBytes(text)]),
    );
    this.#socket.write(Buffer.concat([Buffer.from('Q'), textBytes(statement), numberBytes(parameters.length), ...values]));
    return this.#answer();
  }

  async transaction(step: 'begin' | 'commit' | 'rollback'): Promise<void> {
    this.#socket.write({ begin: 'B', commit: 'C', rollback: 'R' }[step]);
    await this.#answer();
  }

  /** What is asked at present fails soon. */
  async cancel(): Promise<void> {
    const other = new EngineSession(this.#port);
    other.#socket.write(Buffer.concat([Buffer.from('X'), numberBytes(this.#id)]));
    await other.#answer();
    other.close();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #answer(): Promise<EngineAnswer> {
    const none = { columns: [], rows: [], count: 0 };
    const kind = String.fromCharCode((await this.#take(1))[0]!);
    if (kind === 'I') this.#id = await this.#number();
    if (kind === 'U') return { ...none, count: await this.#number() };
    if (kind === 'E') throw new EngineError(await this.#number(), await this.#text());
    if (kind !== 'R') return none;
    const columns: EngineColumn[] = [];
    for (let left = await this.#number(); left > 0; left--)
      columns.push({
        name: await this.#text(),
        type: await this.#text(),
        precision: await this.#number(),
        scale: await this.#number(),
      });
    const rows: EngineCell[][] = [];
    while ((await this.#take(1))[0] === 1) {
      const row: EngineCell[] = [];
      for (let at = 0; at < columns.length; at++) row.push(await this.#cell());
      rows.push(row);
    }
    return { columns, rows, count: rows.length };
  }

  async #cell(): Promise<EngineCell> {
    const tag = (await this.#take(1))[0];
    if (tag === 0) return null;
    return tag === 1 ? this.#text() : Buffer.from(await this.#take(await this.#number()));
  }

  async #number(): Promise<number> {
    return (await this.#take(4)).readInt32BE();
  }

  async #text(): Promise<string> {
    return (await this.#take(await this.#number())).toString('utf8');
  }

  async #take(length: number): Promise<Buffer> {
    if (this.#buffer.length < length) {
      const chunks: Buffer[] = [this.#buffer];
      for (let have = this.#buffer.length; have < length; have += chunks.at(-1)!.length) {
        const { done, value } = await this.#chunks.next();
        if (done) throw new SessionLost('the engine has hung up');
        chunks.push(value);
      }
      this.#buffer = Buffer.concat(chunks);
    }
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function textBytes(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([numberBytes(bytes.length), bytes]);
}
