import { createServer } from 'node:net';

/** Below the range from which Linux and macOS take the near end of outgoing connections: nobody borrows ours while it is down. */
const firstPort = 20_000;
const lastPort = 32_000;
const triesMax = 200;

/** Given out in this process, bound or about to be. */
const taken = new Set<number>();

/** A port on 127.0.0.1 on which nothing listens: the wished one when it is free. */
export async function claimPort(wished?: number): Promise<number> {
  if (wished !== undefined && !taken.has(wished) && (await isPortFree(wished))) return claim(wished);
  for (let attempt = 0; attempt < triesMax; attempt += 1) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (!taken.has(port) && (await isPortFree(port))) return claim(port);
  }
  throw new Error(`no free port between ${firstPort} and ${lastPort} after ${triesMax} tries`);
}

export function giveBackPort(port: number): void {
  taken.delete(port);
}

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function claim(port: number): number {
  taken.add(port);
  return port;
}
