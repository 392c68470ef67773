import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './table.ts';

const askIntervalMs = 500;
const brokenOffCode = 130;

export interface Waiting<T> {
  ask(): Promise<T>;
  isOver(answer: T): boolean;
  /** Said again where they changed; undefined: silently. */
  readonly lines: ((answer: T) => readonly string[]) | undefined;
  /** Said where somebody breaks off the waiting: what is waited for goes on. */
  readonly brokenOff: string;
}

/** Undefined where it was broken off by Ctrl-C. */
export async function waitFor<T>({ ask, isOver, lines, brokenOff }: Waiting<T>): Promise<T | undefined> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal);
  const said = new Set<string>();
  try {
    for (;;) {
      const answer = await ask();
      for (const line of lines?.(answer) ?? []) {
        if (!said.has(line)) say(line);
        said.add(line);
      }
      if (isOver(answer)) return answer;
      await sleep(askIntervalMs, undefined, { signal: stop.signal }).catch(() => undefined);
      if (!stop.signal.aborted) continue;
      process.exitCode = brokenOffCode;
      process.stderr.write(`${brokenOff}\n`);
      return undefined;
    }
  } finally {
    process.off('SIGINT', onSignal);
  }
}
