import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/**
 * The process that ends our services when we no longer can. It lives in a session of its own, so that neither
 * Ctrl-C nor a closed terminal reaches it, and ends by itself as soon as our end of its standard input closes.
 */
export interface Guardian {
  /** Handed to a starting service, which writes its own process id into it before it becomes the service. */
  readonly channel: Writable;
  /** Removed after the services have ended, should we be killed. */
  discardAtDeath(directory: string): void;
  stopComposeAtDeath(project: string): void;
  /** Lets the guardian go; it ends whatever still runs. */
  dismiss(): Promise<void>;
}

export function startGuardian(): Guardian {
  const child = spawn('/bin/sh', [fileURLToPath(new URL('guardian.sh', import.meta.url))], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  child.unref();
  const channel = child.stdin;
  (channel as Writable & { unref(): void }).unref();
  // A guardian that died shows when the next service cannot register; until then there is nothing to do about it.
  channel.on('error', () => {});
  return {
    channel,
    discardAtDeath: (directory) => channel.write(`discard ${directory}\n`),
    stopComposeAtDeath: (project) => channel.write(`compose ${project}\n`),
    dismiss: () => ended(child, channel),
  };
}

function ended(child: ChildProcess, channel: Writable): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.ref();
    child.once('exit', () => resolve());
    channel.end();
  });
}
