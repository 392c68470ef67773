import { fork } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../adapters/process/clock.ts';
import { loadConfig } from '../../adapters/process/config-file.ts';
import { watchSignals } from '../../adapters/process/signals.ts';
import type { SynclineConfig } from '../../core/config/config.ts';
import { reasonOf, SyncError } from '../../core/errors.ts';
import { stackParts } from '../../stack/embedded-part.ts';
import { type RunningStack, startStack } from '../../stack/stack.ts';
import { embeddedAddressesVariable, embeddedParts, resolveAddresses } from '../addresses.ts';
import { type ConfigFiles, configFiles } from '../config-files.ts';
import { entry, superviseRoles } from '../role-supervisor.ts';
import { type RoleName, roleNames } from '../roles/role.ts';
import { type RuntimeFile, removeRuntimeFile, writeRuntimeFile } from '../runtime-file.ts';

interface StartOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly port?: string;
  readonly roles?: string;
  readonly docker?: boolean;
}

const apiWaitMs = 60_000;
const portsTried = 50;
const partsLookMs = 2_000;

export function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('bring up what the configuration leaves to us, and every role, until Ctrl-C')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .option('-d, --data-dir <folder>', 'where data, logs and keys lie (default: dataDir of the configuration)')
    .option('-p, --port <port>', 'port of the API; 0 takes a free one (default: api.port of the configuration)')
    .option('-r, --roles <names>', `only these roles, with commas: ${roleNames.join(', ')}`)
    .option('--docker', 'run the services in containers instead of local processes')
    .action(async (options: StartOptions) => {
      await start(options);
    });
}

async function start(options: StartOptions): Promise<void> {
  const startedMs = Date.now();
  const signals = watchSignals(systemClock);
  const files = configFiles(options.config, process.env);
  const config = loadConfig(files.config, process.env);
  const dataFolder = resolve(options.dataDir ?? config.dataDir);
  const roles = rolesToRun(config, options);
  const wantedPort = portAsked(config, options);
  makeFolder(dataFolder);
  const stack = await startEmbedded(config, dataFolder, options, signals.signal);
  try {
    const addresses = resolveAddresses(config, stack?.addresses ?? {});
    const keyFile = join(dataFolder, 'admin.key');
    await prepareInChild(roleEnvironment(files, dataFolder, 0, stack), keyFile);
    const port = await freeApiPort(config, wantedPort);
    const api = `http://${config.api.host.includes(':') ? `[${config.api.host}]` : config.api.host}:${port}`;
    const supervisor = superviseRoles({
      roles,
      env: roleEnvironment(files, dataFolder, port, stack),
      logFolder: config.profile === 'production' ? null : join(dataFolder, 'logs'),
      onEvent: say,
    });
    const watch = stack === null ? null : keepPartsRunning(stack);
    try {
      const runtime: RuntimeFile = {
        pid: process.pid,
        startedAt: new Date(startedMs).toISOString(),
        api,
        kafka: addresses.kafka.join(','),
        postgres: addresses.postgres,
        redis: addresses.redis,
        ...(addresses.registry === null ? {} : { registry: addresses.registry }),
        keyFile,
      };
      writeRuntimeFile(dataFolder, runtime);
      if (await isReady(api, signals.signal))
        showWhereToLook(runtime, dataFolder, options.dataDir === undefined, Date.now() - startedMs);
      await aborted(signals.signal);
      say('stopping: the work in hand is finished first (Ctrl-C again stops at once)');
    } finally {
      if (watch !== null) clearInterval(watch);
      await supervisor.stop();
      removeRuntimeFile(dataFolder);
    }
  } finally {
    await stack?.stop();
    signals.close();
  }
  say('stopped');
}

/** Tables, topics and the first key need clients that this process, which stays, would carry for ever. */
async function prepareInChild(env: Readonly<Record<string, string>>, keyFile: string): Promise<void> {
  const child = fork(entry, ['init-db', '--first-admin-key', keyFile], { env: { ...process.env, ...env } });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new SyncError('stack.start-failed', 'tables and topics could not be prepared: the reason stands above');
}

async function startEmbedded(
  config: SynclineConfig,
  dataFolder: string,
  options: StartOptions,
  signal: AbortSignal,
): Promise<RunningStack | null> {
  const parts = embeddedParts(config);
  if (parts.length === 0) return null;
  return startStack({ dataDir: dataFolder, parts, mode: options.docker ? 'docker' : 'embedded', onProgress: say, signal });
}

/** A service that died is started again on its own data and port; the roles have waited for it meanwhile. */
function keepPartsRunning(stack: RunningStack): NodeJS.Timeout {
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    for (const name of stackParts) {
      if (!(name in started) || isAlive(stack.pids[name])) continue;
      say(`${name} ended by itself, starts again`);
      await stack
        .part(name)
        .start()
        .then(
          () => say(`${name} runs again`),
          (error: unknown) => say(`${name} does not start: ${reasonOf(error)}`),
        );
    }
    busy = false;
  };
  const started = { ...stack.pids };
  return setInterval(() => void look(), partsLookMs);
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function roleEnvironment(
  files: ConfigFiles,
  dataFolder: string,
  port: number,
  stack: RunningStack | null,
): Record<string, string> {
  return {
    SYNCLINE_CONFIG: files.config,
    SYNCLINE_LOGGING: files.logging,
    SYNCLINE_DATA_DIR: dataFolder,
    SYNCLINE_API_PORT: String(port),
    [embeddedAddressesVariable]: JSON.stringify(stack?.addresses ?? {}),
  };
}

function rolesToRun(config: SynclineConfig, options: StartOptions): RoleName[] {
  const wanted = options.roles?.split(',').map((name) => name.trim()) ?? roleNames;
  const unknown = wanted.filter((name) => !(roleNames as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new SyncError('config.invalid', `there is no role ${unknown.join(', ')}: ${roleNames.join(', ')}`);
  return (wanted as RoleName[]).filter((name) => name !== 'demo' || config.demo.enabled);
}

function portAsked(config: SynclineConfig, options: StartOptions): number {
  const port = options.port === undefined ? config.api.port : Number(options.port);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SyncError('config.invalid', `--port ${options.port} is not a port`);
}

/** In development a taken port is no reason to fail: the next free one is used and named. */
async function freeApiPort(config: SynclineConfig, wanted: number): Promise<number> {
  const first = await tryPort(config.api.host, wanted);
  if (first !== null) return first;
  if (config.profile === 'production') {
    throw new SyncError('stack.start-failed', `port ${wanted} on ${config.api.host} is taken by another process`);
  }
  for (let port = wanted + 1; port < wanted + portsTried; port++) {
    const free = await tryPort(config.api.host, port);
    if (free === null) continue;
    say(`port ${wanted} is taken by another process, the API listens on ${free}`);
    return free;
  }
  throw new SyncError('stack.start-failed', `no free port from ${wanted} to ${wanted + portsTried - 1}`);
}

function tryPort(host: string, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}

async function isReady(api: string, signal: AbortSignal): Promise<boolean> {
  const untilMs = Date.now() + apiWaitMs;
  while (!signal.aborted && Date.now() < untilMs) {
    const answer = await fetch(`${api}/ready`, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
    if (answer?.ok) return true;
    await systemClock.sleep(100, signal).catch(() => undefined);
  }
  if (!signal.aborted) say('not everything is ready yet: `npx syncline status` says what is missing');
  return !signal.aborted;
}

function showWhereToLook(runtime: RuntimeFile, dataFolder: string, isDefaultFolder: boolean, tookMs: number): void {
  process.stdout.write(
    [
      '',
      `Syncline is up (${(tookMs / 1_000).toFixed(1)} s)`,
      `  API and docs   ${runtime.api}/docs`,
      `  sync state     curl -H "Authorization: Bearer $(cat ${shown(runtime.keyFile)})" ${runtime.api}/api/sync-state?limit=3`,
      `  try it         curl -X POST ${runtime.api}/users -H 'content-type: application/json' -d '{"name":"Ada","email":"ada@example.com"}'`,
      `  status         npx syncline status${isDefaultFolder ? '' : ` -d ${shown(dataFolder)}`}`,
      `  metrics        ${runtime.api}/metrics`,
      `  Kafka          ${runtime.kafka}`,
      `  PostgreSQL     ${withoutPassword(runtime.postgres)}`,
      `  Redis          ${withoutPassword(runtime.redis)}`,
      `  admin key      ${shown(runtime.keyFile)}`,
      `  logs           ${shown(join(dataFolder, 'logs'))}`,
      '  Ctrl-C stops it; the data stays.',
      '',
    ].join('\n'),
  );
}

/** Step by step: asked for all of it at once, Node never returns where the system refuses without saying so (/proc). */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    throw new SyncError(
      'config.invalid',
      `the data folder ${folder} cannot be made: ${reasonOf(error)}; name another with --data-dir`,
      {
        cause: error,
      },
    );
  }
}

/** A path inside the working directory reads better without it. */
function shown(path: string): string {
  const inside = relative(process.cwd(), path);
  return inside.startsWith('..') ? path : inside;
}

function withoutPassword(address: string): string {
  return address.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:…@');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
