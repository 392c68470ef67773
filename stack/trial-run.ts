import { startGuardian } from './guardian.ts';
import { claimPort, giveBackPort } from './ports.ts';
import { endProcess } from './process-end.ts';
import { waitUntilReady } from './readiness.ts';
import { type ServiceCommand, startService } from './service-process.ts';

export interface Trial {
  readonly command: Pick<ServiceCommand, 'file' | 'args' | 'environment'>;
  readonly ping: () => Promise<boolean>;
}

const readyTimeoutMs = 120_000;
const endTimeoutMs = 60_000;

/** Starts a service in a scratch folder on ports of its own, waits until it answers, and ends it gracefully. */
export async function runTrial(
  name: string,
  scratch: string,
  portCount: number,
  prepare: (ports: readonly number[]) => Promise<Trial>,
): Promise<void> {
  const guardian = startGuardian();
  const ports = await Promise.all(Array.from({ length: portCount }, () => claimPort()));
  try {
    const { command, ping } = await prepare(ports);
    const logFile = `${scratch}/trial.log`;
    const service = await startService(name, { ...command, directory: scratch, stopSignal: 'SIGTERM', logFile }, guardian);
    try {
      await waitUntilReady({ name, service, logFile, ping, timeoutMs: readyTimeoutMs });
    } finally {
      await endProcess(service.identity, 'SIGTERM', endTimeoutMs);
    }
  } finally {
    ports.forEach(giveBackPort);
    await guardian.dismiss();
  }
}
