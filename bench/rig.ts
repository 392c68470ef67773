import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { createKafkaLog, type KafkaLog } from '../adapters/kafka/kafka-log.ts';
import type { KafkaConnection } from '../adapters/kafka/kafkajs-client.ts';
import { createPool } from '../adapters/postgres/pool.ts';
import { embeddedAddressesVariable, resolveAddresses } from '../bin/addresses.ts';
import { projectFolder } from '../bin/config-files.ts';
import { loadConfig } from '../bin/configuration.ts';
import { prepareInstallation } from '../bin/installation.ts';
import { superviseRoles } from '../bin/role-supervisor.ts';
import type { RoleName } from '../bin/roles/role.ts';
import type { StackPart } from '../stack/embedded-part.ts';
import { type RunningStack, startStack } from '../stack/stack.ts';
import { configText } from './workload.ts';

export interface RigOptions {
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Where the roles leave CPU profiles when they end; null for none. */
  readonly profiles: Profiles | null;
  readonly configText?: string;
  /** What the configuration names by `${…}`, once the services stand. */
  readonly variablesOf?: (addresses: RunningStack['addresses']) => Readonly<Record<string, string>>;
  readonly apiPort?: number;
  readonly postgresParameters?: Readonly<Record<string, string>>;
  /** Services beside those of an installation. */
  readonly furtherParts?: readonly StackPart[];
  /** `start`: a `syncline start` of its own runs the roles and the API beside them, as in an installation at work. */
  readonly supervisor?: 'bench' | 'start';
}

export interface Profiles {
  readonly folder: string;
  /** Filled in as roles start: profiles are named by process. */
  readonly roleOfPid: Map<number, string>;
}

export interface RoleProcess {
  readonly role: string;
  readonly pid: number;
}

interface Supervisor {
  stop(): Promise<void>;
}

const roleStartMsMax = 60_000;
const pollMs = 50;
const logLimits = { bytesMax: 10_000_000, filesKept: 1 };

/** An installation of its own in a temporary folder: services with production settings, and roles that come and go. */
export class Rig {
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly pool: pg.Pool;
  readonly kafka: KafkaConnection;
  readonly log: KafkaLog;
  readonly #stack: RunningStack;
  readonly #folder: string;
  readonly #roleEnvironment: Readonly<Record<string, string>>;
  readonly #profiles: Profiles | null;
  readonly #startsAll: boolean;
  #supervisor: Supervisor | undefined;
  #roles: RoleProcess[] = [];

  private constructor(options: RigOptions, stack: RunningStack, folder: string, environment: Readonly<Record<string, string>>) {
    this.signal = options.signal;
    this.say = options.say;
    this.#stack = stack;
    this.#folder = folder;
    this.#roleEnvironment = environment;
    this.#profiles = options.profiles;
    this.#startsAll = options.supervisor === 'start';
    this.kafka = { brokers: [stack.addresses.kafka!], clientId: 'bench' };
    this.pool = createPool({ url: stack.addresses.postgres!, connectionsMax: 4, applicationName: 'bench' });
    this.log = createKafkaLog({ ...this.kafka, compression: 'lz4' });
  }

  static async open(options: RigOptions): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), 'syncline-bench-'));
    // PostgreSQL may run as another user, who has to pass through.
    chmodSync(folder, 0o711);
    const configFile = join(folder, 'config.yml');
    writeFileSync(configFile, options.configText ?? configText);
    let stack: RunningStack | undefined;
    try {
      stack = await startStack({
        dataDir: join(folder, 'data'),
        parts: ['kafka', 'postgres', 'redis', ...(options.furtherParts ?? [])],
        settings: options.postgresParameters === undefined ? {} : { postgresParameters: options.postgresParameters },
        disposable: true,
        signal: options.signal,
      });
      const config = loadConfig(configFile, options.variablesOf?.(stack.addresses) ?? {});
      await prepareInstallation(config, resolveAddresses(config, stack.addresses), () => undefined);
      return new Rig(options, stack, folder, environmentOf(options, folder, configFile, stack));
    } catch (error) {
      await stack?.stop();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get roles(): readonly RoleProcess[] {
    return this.#roles;
  }

  get addresses(): RunningStack['addresses'] {
    return this.#stack.addresses;
  }

  /** Removed in the end. */
  get folder(): string {
    return this.#folder;
  }

  get servicePids(): RunningStack['pids'] {
    return this.#stack.pids;
  }

  /** Starts a process per role as `syncline start` does, and returns when each says that it runs. */
  async startRoles(roles: readonly RoleName[]): Promise<void> {
    const { rows } = await this.pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    const since = rows[0]!.now;
    const wanted = this.#startsAll ? [...roles, 'api' as const] : roles;
    const supervisor = this.#startsAll ? this.#start(wanted) : this.#supervise(wanted);
    this.#supervisor = supervisor;
    const deadline = Date.now() + roleStartMsMax;
    while (Date.now() < deadline) {
      const found = await this.pool.query<{ role: string; pid: number }>(
        `SELECT role, (details->>'pid')::int AS pid FROM role_reports WHERE state = 'running' AND reported_at > $1`,
        [since],
      );
      this.#roles = [...found.rows, ...(supervisor.pid === undefined ? [] : [{ role: 'supervisor', pid: supervisor.pid }])];
      for (const { pid, role } of found.rows) this.#profiles?.roleOfPid.set(pid, role);
      if (wanted.every((role) => found.rows.some((row) => row.role === role))) return;
      await sleep(pollMs, undefined, { signal: this.signal });
    }
    throw new Error(`the roles ${roles.join(', ')} did not start within ${roleStartMsMax / 1_000} s`);
  }

  #supervise(roles: readonly RoleName[]): Supervisor & { readonly pid?: number } {
    return superviseRoles({
      roles,
      env: this.#roleEnvironment,
      logs: { folder: join(this.#folder, 'logs'), limits: logLimits },
      onEvent: (line) => this.say(line),
    });
  }

  #start(roles: readonly RoleName[]): Supervisor & { readonly pid?: number } {
    const args = ['start', '--data-dir', join(this.#folder, 'start'), '--port', '0', '--roles', roles.join(',')];
    const child = spawn(process.execPath, [join(projectFolder, 'bin', 'syncline.ts'), ...args], {
      env: { ...process.env, ...this.#roleEnvironment },
      stdio: ['ignore', 'ignore', 'inherit'],
      signal: this.signal,
      killSignal: 'SIGINT',
    });
    child.on('error', () => undefined);
    return { stop: () => endOf(child), ...(child.pid === undefined ? {} : { pid: child.pid }) };
  }

  async stopRoles(): Promise<void> {
    const supervisor = this.#supervisor;
    this.#supervisor = undefined;
    await supervisor?.stop();
    this.#roles = [];
  }

  async close(): Promise<void> {
    try {
      await this.stopRoles();
      await this.log.close();
      await this.pool.end();
    } finally {
      await this.#stack.stop();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await gone;
}

export async function withRig<T>(options: RigOptions, work: (rig: Rig) => Promise<T>): Promise<T> {
  const rig = await Rig.open(options);
  try {
    return await work(rig);
  } finally {
    await rig.close();
  }
}

function environmentOf(options: RigOptions, folder: string, configFile: string, stack: RunningStack): Record<string, string> {
  const { profiles, apiPort = 0 } = options;
  return {
    SYNCLINE_CONFIG: configFile,
    SYNCLINE_LOGGING: join(projectFolder, 'config', 'logging.yml'),
    SYNCLINE_DATA_DIR: join(folder, 'data'),
    SYNCLINE_API_PORT: String(apiPort),
    [embeddedAddressesVariable]: JSON.stringify(stack.addresses),
    ...options.variablesOf?.(stack.addresses),
    ...(profiles === null
      ? {}
      : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles.folder} --cpu-prof-name=role.\${pid}.cpuprofile` }),
  };
}
