import { execFile } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { acquireTestStack, type TestStack } from '../../stack/test-stack.ts';
import { Random } from '../simulation/random.ts';
import { findFaults } from './checker.ts';
import { type Load, type LoadOptions, startLoad } from './load.ts';
import { type RoleName, type RolePool, type RoleSeat, startRoles } from './role-pool.ts';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { endsOf, readAll, topicsOf, topicsWith } from './topics.ts';

const run = promisify(execFile);
const entry = fileURLToPath(new URL('../../bin/syncline.ts', import.meta.url));
const chaosConfig = fileURLToPath(new URL('../fixtures/config/chaos.yml', import.meta.url));

/** Two of each stage, so that partitions have somewhere to go. */
const stageRoles: readonly RoleName[] = ['processor', 'processor', 'sync-manager', 'sync-manager'];

/** Real services of our own, PostgreSQL and Redis behind doors that can be closed. */
export interface ChaosStack {
  readonly services: TestStack;
  readonly redisDoor: TcpProxy;
  /** Nobody hears of the part until the returned function is called: whoever asks it something stands still there. */
  hold(part: HeldPart): Promise<() => Promise<void>>;
  /** A database, topics and role processes of their own on these services. */
  install(options?: InstallOptions): Promise<Installation>;
  stop(): Promise<void>;
}

export type HeldPart = 'kafka' | 'postgres' | 'redis';

export interface InstallOptions {
  readonly roles?: readonly RoleName[];
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Installation {
  readonly prefix: string;
  readonly kafka: string;
  /** Straight to the database, past the door. */
  readonly postgres: string;
  readonly roles: RolePool;
  /** Where the api role listens, where there is one. */
  readonly api: string;
  readonly adminKey: string;
  readonly dataDir: string;
  seatsOf(role: RoleName): RoleSeat[];
  load(random: Random, options?: Partial<LoadOptions>): Promise<Load>;
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  /** Until everything on the topics is settled and nothing is left to publish. */
  rest(timeoutMs?: number): Promise<void>;
  /** Waits for rest, then says what does not fit together. */
  faultsAtRest(): Promise<string[]>;
  stop(): Promise<void>;
}

let installations = 0;

/** `CHAOS_SEED` repeats a run as far as a run with real processes can be repeated. */
export function seededRandom(name: string): Random {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1_000_000_000));
  process.stdout.write(`${name}: CHAOS_SEED=${seed}\n`);
  return new Random(seed);
}

export async function startChaosStack(): Promise<ChaosStack> {
  const services = await acquireTestStack(['postgres', 'redis', 'kafka'], {
    // A broker that was killed may come back when its old registration has expired.
    settings: { kafkaProperties: { 'broker.session.timeout.ms': '1500', 'broker.heartbeat.interval.ms': '300' } },
  });
  const postgresDoors = new Set<TcpProxy>();
  const redisDoor = await openTcpProxy(Number(new URL(services.addresses.redis!).port));
  const installed: Installation[] = [];
  return {
    services,
    redisDoor,
    async hold(part) {
      // A broker tells its clients its own address, so it is frozen; the others are cut off at the door.
      if (part === 'kafka') {
        await services.part('kafka').pause();
        return () => services.part('kafka').resume();
      }
      const doors = part === 'postgres' ? [...postgresDoors] : [redisDoor];
      for (const door of doors) door.silence();
      return async () => {
        for (const door of doors) door.resume();
      };
    },
    async install(options = {}) {
      const installation = await install({ services, postgresDoors, redisDoor }, options);
      installed.push(installation);
      return installation;
    },
    async stop() {
      await Promise.all(installed.map((installation) => installation.stop()));
      await Promise.all([...postgresDoors, redisDoor].map((door) => door.close()));
      await services.stop();
    },
  };
}

interface Services {
  readonly services: TestStack;
  readonly redisDoor: TcpProxy;
  readonly postgresDoors: Set<TcpProxy>;
}

async function install({ services, postgresDoors, redisDoor }: Services, options: InstallOptions): Promise<Installation> {
  const name = `chaos${++installations}`;
  const prefix = `${name}.`;
  const kafka = services.addresses.kafka!;
  const postgres = await createDatabase(services.addresses.postgres!, name);
  const dataDir = join(services.dataDir, name);
  const apiPort = await freePort();
  const environment = (postgresPort: number) => ({
    ...process.env,
    ...options.env,
    SYNCLINE_CONFIG: options.config ?? chaosConfig,
    SYNCLINE_TEST_PREFIX: prefix,
    SYNCLINE_DATA_DIR: dataDir,
    SYNCLINE_API_PORT: String(apiPort),
    SYNCLINE_EMBEDDED: JSON.stringify({
      kafka,
      postgres: withPort(postgres, postgresPort),
      redis: withPort(services.addresses.redis!, redisDoor.port),
    }),
  });
  const databasePort = Number(new URL(postgres).port);
  const initDb = [entry, 'init-db', '--new-admin-key', '--data-dir', dataDir];
  await run(process.execPath, initDb, { env: environment(databasePort) });
  const logFolder = join(dataDir, 'logs');
  const seats = await Promise.all(
    (options.roles ?? stageRoles).map(async (role) => {
      const postgresDoor = await openTcpProxy(databasePort);
      postgresDoors.add(postgresDoor);
      return { role, postgresDoor, env: environment(postgresDoor.port) };
    }),
  );
  const roles = startRoles(seats, logFolder);
  const pool = new pg.Pool({ connectionString: postgres, max: 2 });
  pool.on('error', () => undefined);
  let stopped: Promise<void> | undefined;

  const installation: Installation = {
    prefix,
    kafka,
    postgres,
    roles,
    api: `http://127.0.0.1:${apiPort}`,
    adminKey: readFileSync(join(dataDir, 'admin.key'), 'utf8').trim(),
    dataDir,
    seatsOf: (role) => roles.seats.filter((seat) => seat.role === role),
    load: (random, more = {}) => startLoad({ kafka, prefix, random, ...more }),
    async query<R extends pg.QueryResultRow>(text: string, values: unknown[] = []) {
      return (await pool.query<R>(text, values)).rows;
    },
    rest: (timeoutMs = restTimeoutMs) => waitForRest(installation, timeoutMs),
    async faultsAtRest() {
      await installation.rest();
      return findFaults({ kafka, postgres, prefix });
    },
    stop() {
      stopped ??= (async () => {
        await roles.stop();
        keepLogs(logFolder, name);
        await pool.end();
      })();
      return stopped;
    },
  };
  return installation;
}

const restTimeoutMs = 240_000;
const restPollMs = 300;

async function waitForRest(installation: Installation, timeoutMs: number): Promise<void> {
  const untilMs = Date.now() + timeoutMs;
  let before = '';
  for (;;) {
    const state = await restState(installation).catch((error: unknown) => ({ open: [String(error)], ends: '' }));
    if (state.open.length === 0 && state.ends === before) return;
    before = state.open.length === 0 ? state.ends : '';
    if (Date.now() > untilMs) {
      throw new Error(`not at rest after ${timeoutMs} ms:\n${state.open.join('\n')}\n${installation.roles.lastLines()}`);
    }
    await sleep(restPollMs);
  }
}

/** What is still open. A rejected record makes another one on its raw topic, so the ends must stand still too. */
async function restState(installation: Installation): Promise<{ open: string[]; ends: string }> {
  const { kafka, prefix } = installation;
  const topics = await topicsWith(kafka, prefix);
  const read = topics.filter((topic) => topic.startsWith(`${prefix}source.`) || topic.startsWith(`${prefix}entity.`));
  const ends = await endsOf(kafka, read);
  const progress = await installation.query<{ id: string; next_offset: string }>(
    `SELECT topic || '/' || partition AS id, next_offset FROM processor_progress
     UNION ALL SELECT topic || '/' || partition, next_offset FROM sync_progress`,
  );
  const next = new Map(progress.map((row) => [row.id, Number(row.next_offset)]));
  const open = [...ends]
    .filter(([id, end]) => (next.get(id) ?? 0) !== end)
    .map(([id, end]) => `${id} is read through ${next.get(id) ?? 0} of ${end}`);
  const [outbox] = await installation.query<{ rows: number }>('SELECT count(*)::int AS rows FROM outbox');
  if (outbox!.rows > 0) open.push(`${outbox!.rows} rows wait in the outbox`);
  if (open.length === 0) open.push(...(await unrecordedLetters(installation)));
  return { open, ends: JSON.stringify([...ends]) };
}

async function unrecordedLetters({ kafka, prefix, query }: Installation): Promise<string[]> {
  const letters = await readAll(kafka, topicsOf(prefix).deadLetters);
  const recorded = new Set((await query<{ id: string }>('SELECT id FROM dead_letters')).map((row) => row.id));
  const waiting = letters
    .map((letter) => JSON.parse(String(letter.value)) as { id: string; replayOf: string | null })
    .filter(({ id, replayOf }) => !recorded.has(replayOf ?? id));
  return waiting.length === 0 ? [] : [`${waiting.length} dead letters are not recorded`];
}

/** `CHAOS_LOGS` names a folder that keeps what the processes wrote. */
function keepLogs(folder: string, name: string): void {
  const kept = process.env.CHAOS_LOGS;
  if (kept !== undefined) cpSync(folder, join(kept, `${name}-${Date.now()}`), { recursive: true });
}

async function createDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.href;
}

function withPort(url: string, port: number): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}

async function freePort(): Promise<number> {
  const door = await openTcpProxy(1);
  await door.close();
  return door.port;
}
