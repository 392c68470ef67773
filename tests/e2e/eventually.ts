import { setTimeout as sleep } from 'node:timers/promises';

const patienceMs = 60_000;

/** What the attempt finds, however long that takes within reason. */
export async function eventually<T>(attempt: () => Promise<T | undefined | false>, lastWords = () => ''): Promise<T> {
  const untilMs = Date.now() + patienceMs;
  for (;;) {
    const found = await attempt().catch((error: unknown) => {
      if (Date.now() > untilMs) throw error;
      return undefined;
    });
    if (found !== undefined && found !== false) return found as T;
    if (Date.now() > untilMs) throw new Error(`waited ${patienceMs} ms in vain\n${lastWords()}`);
    await sleep(50);
  }
}
