import assert from 'node:assert/strict';
import { SyncError, unreachable } from '../core/errors.ts';
import { type DataDirectory, openDataDirectory } from './data-directory.ts';
import { dockerParts } from './docker.ts';
import {
  type EmbeddedContext,
  type EmbeddedPart,
  portNamesOf,
  type StackPart,
  type StackSettings,
  stackParts,
} from './embedded-part.ts';
import { embeddedFirebird } from './firebird.ts';
import { startGuardian } from './guardian.ts';
import { embeddedKafka } from './kafka.ts';
import { type ManagedPart, managedProcess } from './managed-part.ts';
import { embeddedMariadb } from './mariadb.ts';
import { isPortFree } from './ports.ts';
import { embeddedPostgres } from './postgres.ts';
import { identityOf } from './process-identity.ts';
import { embeddedRedis } from './redis.ts';
import { embeddedRegistry } from './registry.ts';

export type StackAddresses = Readonly<Partial<Record<StackPart, string>>>;

export interface StackOptions {
  /** Where data, logs and the memory of ports live; one process at a time. */
  readonly dataDir: string;
  readonly parts: readonly StackPart[];
  /** Services that run already: nothing is started for them. */
  readonly addresses?: StackAddresses;
  /** Ports that have to be these. Without one a free port is chosen and remembered. */
  readonly ports?: Readonly<Partial<Record<StackPart, number>>>;
  readonly mode?: 'embedded' | 'docker';
  readonly fast?: boolean;
  readonly settings?: StackSettings;
  /** Leave what is installed alone and take Java, PostgreSQL and Redis from their registry packages. */
  readonly packagedOnly?: boolean;
  /** Remove the data directory should this process be killed: for tests. */
  readonly disposable?: boolean;
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface RunningStack {
  readonly dataDir: string;
  /** kafka `host:port`, postgres `postgres://…/syncline`, redis `redis://…`, registry `http://…/apis/ccompat/v7`. */
  readonly addresses: StackAddresses;
  readonly pids: Readonly<Partial<Record<StackPart, number>>>;
  /** A part this stack started itself. */
  part(name: StackPart): ManagedPart;
  /** Ends what was started here, and nothing else. */
  stop(): Promise<void>;
}

/** Brings up the named services and returns when all of them answer; if one cannot, those already started are ended. */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const onProgress = options.onProgress ?? (() => {});
  const given = options.addresses ?? {};
  const wanted = stackParts.filter((name) => options.parts.includes(name) && given[name] === undefined);
  const self = identityOf(process.pid);
  assert(self !== undefined, 'this process knows its own start');
  const data = await openDataDirectory(options.dataDir, self, onProgress);
  const guardian = startGuardian();
  if (options.disposable === true) guardian.discardAtDeath(data.path);
  const managed = new Map<StackPart, ManagedPart>();
  const stop = async () => {
    // Backwards: a service ends before what it depends on.
    for (const part of [...managed.values()].reverse()) await part.stop();
    await guardian.dismiss();
    data.release();
  };
  try {
    await claimPorts(data, wanted, options.ports ?? {});
    const context: EmbeddedContext = {
      data,
      settings: options.settings ?? {},
      fast: options.fast ?? false,
      packagedOnly: options.packagedOnly,
      onProgress,
      signal: options.signal,
    };
    const postgresAddress = () => {
      const address = given.postgres ?? managed.get('postgres')?.address;
      assert(address !== undefined, 'the registry keeps its schemas in PostgreSQL: ask for postgres too');
      return address;
    };
    const parts =
      options.mode === 'docker'
        ? await dockerParts(wanted, context, guardian)
        : wanted.map((name) => managedProcess(embedded(name, context, postgresAddress), context, guardian));
    for (const part of parts) managed.set(part.name, part);
    await startTogether(parts, onProgress);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dataDir: data.path,
    get addresses() {
      const started = [...managed.values()].map((part) => [part.name, part.address]);
      return { ...Object.fromEntries(started), ...given };
    },
    get pids() {
      return Object.fromEntries([...managed.values()].flatMap((part) => (part.pid === undefined ? [] : [[part.name, part.pid]])));
    },
    part(name) {
      const part = managed.get(name);
      assert(part !== undefined, `${name} was not started by this stack`);
      return part;
    },
    stop: once(stop),
  };
}

function embedded(name: StackPart, context: EmbeddedContext, postgresAddress: () => string): EmbeddedPart {
  switch (name) {
    case 'firebird':
      return embeddedFirebird(context);
    case 'kafka':
      return embeddedKafka(context);
    case 'mariadb':
      return embeddedMariadb(context);
    case 'postgres':
      return embeddedPostgres(context);
    case 'redis':
      return embeddedRedis(context);
    case 'registry':
      return embeddedRegistry(context, postgresAddress);
    default:
      return unreachable(name);
  }
}

/** A port that was asked for is an error when somebody has it; any other is replaced. */
async function claimPorts(
  data: DataDirectory,
  parts: readonly StackPart[],
  fixed: NonNullable<StackOptions['ports']>,
): Promise<void> {
  for (const part of parts) {
    const wished = fixed[part];
    if (wished !== undefined && !(await isPortFree(wished))) {
      throw new SyncError('stack.start-failed', `${part}: port ${wished} on 127.0.0.1 is taken by another process`, {
        details: { part, port: wished },
      });
    }
    for (const name of portNamesOf[part]) await data.port(name, name === part ? wished : undefined);
  }
}

/** All at once, each as soon as what it needs answers. The first failure is told after every start has ended. */
async function startTogether(parts: readonly ManagedPart[], onProgress: (line: string) => void): Promise<void> {
  const starts = new Map<StackPart, Promise<void>>();
  for (const part of parts) {
    const needed = part.needs.map((name) => starts.get(name)).filter((start) => start !== undefined);
    starts.set(part.name, startOne(part, needed, onProgress));
  }
  const outcomes = await Promise.allSettled(starts.values());
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

async function startOne(part: ManagedPart, needed: readonly Promise<void>[], onProgress: (line: string) => void): Promise<void> {
  await Promise.all(needed);
  const began = performance.now();
  await part.start();
  onProgress(`${part.name}: ready in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

function once(act: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => {
    result ??= act();
    return result;
  };
}
