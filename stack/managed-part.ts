import assert from 'node:assert/strict';
import type { DataDirectory } from './data-directory.ts';
import { type EmbeddedContext, type EmbeddedPart, portNamesOf, type StackPart } from './embedded-part.ts';
import type { Guardian } from './guardian.ts';
import { isPortFree } from './ports.ts';
import { endProcess, familyOf } from './process-end.ts';
import { isRunning, type ProcessIdentity, signalProcess } from './process-identity.ts';
import { waitUntilReady } from './readiness.ts';
import { type ServiceCommand, type ServiceProcess, startService } from './service-process.ts';

/** A running service that can be stopped, killed, paused and started again, on the same address and data. */
export interface ManagedPart {
  readonly name: StackPart;
  readonly address: string;
  readonly pid: number | undefined;
  /** Parts that have to answer before this one can start. */
  readonly needs: readonly StackPart[];
  /** Starts it after `stop` or `kill` and returns when it answers. */
  start(): Promise<void>;
  /** Ends it gracefully, then by force after a bound; returns when it is gone. Nothing happens when it is not there. */
  stop(): Promise<void>;
  /** Sends a signal to it and everything below it. With SIGKILL it returns when all of them are gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Freezes it: connections stay open and nothing answers, as when a machine hangs. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

const readyTimeoutMs = 90_000;
const portTriesMax = 3;
const killPollMs = 10;

export function managedProcess(part: EmbeddedPart, context: EmbeddedContext, guardian: Guardian): ManagedPart {
  const { data } = context;
  let running: { readonly service: ServiceProcess; readonly command: ServiceCommand } | undefined;
  let hasRun = false;

  const launch = async (): Promise<void> => {
    const command = await part.prepare();
    context.signal?.throwIfAborted();
    const service = await startService(part.name, command, guardian);
    data.rememberService(part.name, service.identity);
    running = { service, command };
    try {
      const { logFile } = command;
      await waitUntilReady({
        name: part.name,
        service,
        logFile,
        ping: part.ping,
        timeoutMs: readyTimeoutMs,
        signal: context.signal,
      });
      await part.complete?.();
    } catch (error) {
      await end();
      throw error;
    }
  };

  const end = async (): Promise<void> => {
    if (running === undefined) return;
    const { service, command } = running;
    await endProcess(service.identity, command.stopSignal);
    await service.ended;
    running = undefined;
    data.forgetService(part.name);
  };

  const family = (): ProcessIdentity[] => {
    assert(running !== undefined, `${part.name} is not running`);
    return familyOf(running.service.identity);
  };

  return {
    name: part.name,
    needs: part.needs,
    get address() {
      return part.address();
    },
    get pid() {
      return running === undefined || running.service.hasEnded() ? undefined : running.service.identity.pid;
    },
    async start() {
      assert(running === undefined || running.service.hasEnded(), `${part.name} is running already`);
      // Once it has run others know its address: from then on a taken port is an error, not a reason to move.
      const triesMax = hasRun ? 1 : portTriesMax;
      for (let attempt = 1; ; attempt += 1) {
        try {
          await launch();
          hasRun = true;
          return;
        } catch (error) {
          if (attempt >= triesMax || !(await replaceTakenPorts(part, data))) throw error;
        }
      }
    },
    stop: end,
    async kill(signal = 'SIGKILL') {
      const members = family();
      for (const member of members) signalProcess(member, signal);
      if (signal !== 'SIGKILL') return;
      while (members.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, killPollMs));
      running = undefined;
      data.forgetService(part.name);
    },
    async pause() {
      // The parent first, so that it cannot start another child meanwhile.
      for (const member of family()) signalProcess(member, 'SIGSTOP');
    },
    async resume() {
      for (const member of family()) signalProcess(member, 'SIGCONT');
    },
  };
}

/** Somebody may take a port between our choosing it and the service's listening on it. */
async function replaceTakenPorts(part: EmbeddedPart, data: DataDirectory): Promise<boolean> {
  let replaced = false;
  for (const name of portNamesOf[part.name]) {
    if (await isPortFree(data.currentPort(name))) continue;
    await data.replacePort(name);
    replaced = true;
  }
  return replaced;
}
