import { setTimeout as sleep } from 'node:timers/promises';
import { descendantsOf, isRunning, type ProcessIdentity, signalProcess } from './process-identity.ts';

const graceMsDefault = 15_000;
const pollMs = 25;

/** Asks a process to end, then makes it and everything below it end. */
export async function endProcess(identity: ProcessIdentity, signal: NodeJS.Signals, graceMs = graceMsDefault): Promise<void> {
  signalProcess(identity, signal, 'group');
  // What is paused sees a signal only when it goes on, and a server may wait for children that are paused.
  for (const member of familyOf(identity)) signalProcess(member, 'SIGCONT');
  const deadline = Date.now() + graceMs;
  while (isRunning(identity) && Date.now() < deadline) await sleep(pollMs);
  if (!isRunning(identity)) return;
  const family = familyOf(identity);
  for (const member of family) signalProcess(member, 'SIGKILL');
  while (family.some(isRunning)) await sleep(pollMs);
}

/** A process and everything below it. */
export function familyOf(identity: ProcessIdentity): ProcessIdentity[] {
  return isRunning(identity) ? [identity, ...descendantsOf(identity.pid)] : [];
}
