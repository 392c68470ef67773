import { reasonOf } from '../core/errors.ts';
import { stackParts } from '../stack/embedded-part.ts';
import type { RunningStack } from '../stack/stack.ts';

const lookIntervalMs = 2_000;

/** A service that died is started again on its own data and port; the roles have waited for it meanwhile. */
export function keepPartsRunning(stack: Pick<RunningStack, 'pids' | 'part'>, say: (line: string) => void): { stop(): void } {
  const started = stackParts.filter((name) => stack.pids[name] !== undefined);
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    for (const name of started.filter((part) => !isAlive(stack.pids[part]))) {
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
  const timer = setInterval(() => void look(), lookIntervalMs);
  return { stop: () => clearInterval(timer) };
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // PostgreSQL may run as another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
