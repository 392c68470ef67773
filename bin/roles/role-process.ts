import { hostname } from 'node:os';
import { createReportStore, type ReportStore, type RoleState } from '../../adapters/postgres/role-reports.ts';
import { systemClock } from '../../adapters/process/clock.ts';
import { loadLogging } from '../../adapters/process/config-file.ts';
import { watchSignals } from '../../adapters/process/signals.ts';
import { reasonOf } from '../../core/errors.ts';
import { metricRows } from '../../monitoring/metric-rows.ts';
import { embeddedFromEnvironment, resolveAddresses } from '../addresses.ts';
import type { ConfigFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { releaseStartUpMemory } from '../process-memory.ts';
import { type MetricsEndpoint, openMetricsEndpoint } from './metrics-endpoint.ts';
import type { RoleName, RunningRole, StartRole } from './role.ts';
import { closeRoleContext, openRoleContext, type RoleContext } from './role-context.ts';

/** Loaded one by one: a process carries only what its role needs. */
const starters: Readonly<Record<RoleName, () => Promise<StartRole>>> = {
  processor: async () => (await import('./processor-role.ts')).startProcessor,
  'sync-manager': async () => (await import('./sync-role.ts')).startSyncManager,
  api: async () => (await import('./api-role.ts')).startApi,
  demo: async () => (await import('./demo-role.ts')).startDemo,
  target: async () => (await import('./target-role.ts')).startTargets,
  source: async () => (await import('./source-role.ts')).startSources,
};

export function loadRole(role: RoleName): Promise<StartRole> {
  return starters[role]();
}

const reportIntervalMs = 1_000;
/** Work in hand may take this long to finish; then the process ends anyway, and loses nothing by it. */
const stopGraceMs = 10_000;
const metricDaysKept = 30;

/** One role in this process, until it is told to stop, its parent is gone, or it cannot go on. Returns the exit code. */
export async function runRole(role: RoleName, files: ConfigFiles): Promise<number> {
  const config = loadConfig(files.config, process.env);
  const addresses = resolveAddresses(config, embeddedFromEnvironment(process.env));
  const stop = new AbortController();
  const signals = watchSignals(systemClock);
  signals.signal.addEventListener('abort', () => stop.abort(signals.signal.reason));
  // The channel to the parent closes when the parent dies, however it dies.
  process.on('disconnect', () => stop.abort(new Error('the parent process is gone')));

  const context = await openRoleContext({
    role,
    config,
    logging: loadLogging(files.logging, process.env),
    addresses,
    signal: stop.signal,
  });
  const endpoint = await openMetricsEndpoint(context.metrics);
  const reporter = startReporting(context, endpoint);
  try {
    const start = await loadRole(role);
    const running = await start(context);
    releaseStartUpMemory();
    reporter.running(running);
    context.logger.info(`${role} started`);
    await Promise.race([aborted(stop.signal), running.failed]);
    context.logger.info(`${role} stops: ${reasonOf(stop.signal.reason)}`);
    setTimeout(() => process.exit(0), stopGraceMs).unref();
    await running.stop();
    await reporter.end('stopped');
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    context.logger.error(`${role} cannot go on: ${reasonOf(error)}`, { error });
    await reporter.end('failed', reasonOf(error));
    return 1;
  } finally {
    endpoint.close();
    await closeRoleContext(context).catch(() => undefined);
  }
}

interface Reporter {
  running(role: RunningRole): void;
  end(state: RoleState, reason?: string): Promise<void>;
}

/** Says at intervals what this process is and does: others see it as alive only while it says so. */
function startReporting(context: RoleContext, endpoint: MetricsEndpoint): Reporter {
  const store = createReportStore(context.pool);
  const instance = `${hostname()}:${process.pid}`;
  let role: RunningRole | undefined;
  let busy = false;
  const report = (state: RoleState, more: object = {}) =>
    store.report({
      role: context.role,
      instance,
      state,
      details: { pid: process.pid, reportEveryMs: reportIntervalMs, metrics: endpoint.url, ...role?.details(), ...more },
    });
  const tick = async () => {
    if (busy) return;
    busy = true;
    await report(role === undefined ? 'starting' : 'running').catch(() => undefined);
    busy = false;
  };
  void tick();
  const reports = setInterval(() => void tick(), reportIntervalMs);
  const figures = setInterval(() => void keepFigures(context, store), context.config.monitoring.rowsIntervalMs);
  return {
    running(started) {
      role = started;
      void tick();
    },
    async end(state, reason) {
      clearInterval(reports);
      clearInterval(figures);
      await report(state, reason === undefined ? {} : { reason }).catch(() => undefined);
    },
  };
}

async function keepFigures(context: RoleContext, store: ReportStore): Promise<void> {
  try {
    await store.addMetrics(await metricRows(context.metrics.registry));
    if (context.role === 'sync-manager') await store.prune(metricDaysKept);
  } catch (error) {
    // The figures of this interval are missing; the next ones carry the same counters on.
    context.logger.debug(`figures were not stored: ${reasonOf(error)}`);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
