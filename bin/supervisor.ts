import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../adapters/process/clock.ts';
import { watchSignals } from '../adapters/process/signals.ts';
import { SyncError } from '../core/errors.ts';
import { type RunningStack, startStack } from '../stack/stack.ts';
import { embeddedAddressesVariable, resolveAddresses } from './addresses.ts';
import { freeApiPort, saysReady } from './api-port.ts';
import { keepPartsRunning } from './embedded-services.ts';
import { leanEntry, leanEnvironment, releaseStartUpMemory } from './process-memory.ts';
import { superviseRoles } from './role-supervisor.ts';
import { type RuntimeFile, removeRuntimeFile, writeRuntimeFile } from './runtime-file.ts';
import type { StartPlan } from './start-plan.ts';
import { showWhereToLook } from './where-to-look.ts';

const readyWaitMs = 60_000;
const readyPollMs = 100;

/** Brings up services and roles and keeps both running until a signal; what was started ends in the opposite order. */
export async function runSupervisor(plan: StartPlan): Promise<void> {
  const signals = watchSignals(systemClock);
  const warmUp = plan.roles.length > 0 ? warmCompileCache() : Promise.resolve();
  const stack = await startEmbedded(plan, signals.signal);
  try {
    const keyFile = join(plan.dataFolder, 'admin.key');
    await Promise.all([prepareInChild(roleEnvironment(plan, 0, stack), keyFile), warmUp]);
    const port = await freeApiPort(plan.host, plan.port, plan.profile === 'production', say);
    const runtime = runtimeOf(plan, port, stack, keyFile);
    const supervisor = superviseRoles({
      roles: plan.roles,
      env: roleEnvironment(plan, port, stack),
      logs: plan.profile === 'production' ? null : { folder: join(plan.dataFolder, 'logs'), limits: plan.logFiles },
      onEvent: say,
    });
    const watch = stack === null ? null : keepPartsRunning(stack, say);
    try {
      writeRuntimeFile(plan.dataFolder, runtime);
      if (await isReady(plan.host, port, signals.signal)) showWhereToLook(runtime, plan, Date.now() - plan.startedMs);
      releaseStartUpMemory();
      await aborted(signals.signal);
      say('stopping: the work in hand is finished first (Ctrl-C again stops at once)');
    } finally {
      watch?.stop();
      await supervisor.stop();
      removeRuntimeFile(plan.dataFolder);
    }
  } finally {
    await stack?.stop();
    signals.close();
  }
  say('stopped');
}

async function startEmbedded(plan: StartPlan, signal: AbortSignal): Promise<RunningStack | null> {
  if (plan.parts.length === 0) return null;
  const mode = plan.docker ? 'docker' : 'embedded';
  return startStack({ dataDir: plan.dataFolder, parts: plan.parts, mode, onProgress: say, signal });
}

/** Tables, topics and the first key need clients that this process, which stays, would carry for ever. */
async function prepareInChild(env: Readonly<Record<string, string>>, keyFile: string): Promise<void> {
  const child = fork(leanEntry, ['init-db', '--first-admin-key', keyFile], {
    env: { ...leanEnvironment, ...process.env, ...env },
    execArgv: [],
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new SyncError('stack.start-failed', 'tables and topics could not be prepared: the reason stands above');
}

/** While the services start. A first start without it works as well: its roles are larger until they start again. */
async function warmCompileCache(): Promise<void> {
  const file = fileURLToPath(new URL('./roles/warm-up.ts', import.meta.url));
  const child = fork(file, {
    env: { ...leanEnvironment, ...process.env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await new Promise((resolve) => child.once('exit', resolve));
}

function roleEnvironment(plan: StartPlan, port: number, stack: RunningStack | null): Record<string, string> {
  return {
    SYNCLINE_CONFIG: plan.files.config,
    SYNCLINE_LOGGING: plan.files.logging,
    SYNCLINE_DATA_DIR: plan.dataFolder,
    SYNCLINE_API_PORT: String(port),
    [embeddedAddressesVariable]: JSON.stringify({ ...plan.running, ...stack?.addresses }),
  };
}

function runtimeOf(plan: StartPlan, port: number, stack: RunningStack | null, keyFile: string): RuntimeFile {
  const { kafka, postgres, redis, registry } = resolveAddresses(plan.services, { ...plan.running, ...stack?.addresses });
  return {
    pid: process.pid,
    startedAt: new Date(plan.startedMs).toISOString(),
    api: `http://${plan.host.includes(':') ? `[${plan.host}]` : plan.host}:${port}`,
    kafka: kafka.join(','),
    postgres,
    redis,
    ...(registry === null ? {} : { registry }),
    keyFile,
  };
}

async function isReady(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  const untilMs = Date.now() + readyWaitMs;
  while (!signal.aborted && Date.now() < untilMs) {
    if (await saysReady(host, port)) return true;
    await systemClock.sleep(readyPollMs, signal).catch(() => undefined);
  }
  if (!signal.aborted) say('not everything is ready yet: `npx syncline status` says what is missing');
  return !signal.aborted;
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
