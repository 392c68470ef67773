import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SyncError } from '../core/errors.ts';
import type { ServiceProcess } from './service-process.ts';

export interface ReadinessWait {
  readonly name: string;
  readonly service: ServiceProcess;
  readonly logFile: string;
  /** Speaks the real protocol; false or a refusal means: not yet. */
  readonly ping: () => Promise<boolean>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const pingIntervalMs = 40;
const pingTimeoutMs = 2_000;

/** Returns when the service answers; throws with the last lines of its log when it dies or stays silent. */
export async function waitUntilReady(wait: ReadinessWait): Promise<void> {
  const deadline = Date.now() + wait.timeoutMs;
  for (;;) {
    wait.signal?.throwIfAborted();
    if (wait.service.hasEnded()) throw startFailed(wait, `ended at its start (${await wait.service.ended})`);
    if (await wait.ping().catch(() => false)) return;
    if (Date.now() > deadline) throw startFailed(wait, `did not answer within ${wait.timeoutMs / 1000} s`);
    await sleep(pingIntervalMs);
  }
}

function startFailed(wait: ReadinessWait, what: string): SyncError {
  const lines = wait.service.lastLogLines();
  const log = lines.length === 0 ? 'it logged nothing' : `its last log lines:\n  ${lines.join('\n  ')}`;
  return new SyncError('stack.start-failed', `${wait.name} ${what}; ${log}\n  (whole log: ${wait.logFile})`, {
    details: { part: wait.name, logFile: wait.logFile, lastLogLines: lines },
  });
}

/** One request, one answer over TCP. */
export function exchange(port: number, request: Buffer, isComplete: (answer: Buffer) => boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const socket: Socket = connect({ port, host: '127.0.0.1' });
    const settle = (act: () => void) => {
      socket.destroy();
      act();
    };
    socket.setTimeout(pingTimeoutMs, () => settle(() => reject(new Error('no answer in time'))));
    socket.once('error', (error) => settle(() => reject(error)));
    socket.once('close', () => reject(new Error('closed before the answer was complete')));
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (isComplete(answer)) settle(() => resolve(answer));
    });
  });
}
