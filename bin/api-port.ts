import { connect, createServer } from 'node:net';
import { SyncError } from '../core/errors.ts';

const portsTried = 50;
const answerMsMax = 2_000;

/** In development a taken port is no reason to fail: the next free one is used and named. */
export async function freeApiPort(host: string, wanted: number, strict: boolean, say: (line: string) => void): Promise<number> {
  const first = await tryPort(host, wanted);
  if (first !== null) return first;
  if (strict) throw new SyncError('stack.start-failed', `port ${wanted} on ${host} is taken by another process`);
  for (let port = wanted + 1; port < wanted + portsTried; port++) {
    const free = await tryPort(host, port);
    if (free === null) continue;
    say(`port ${wanted} is taken by another process, the API listens on ${free}`);
    return free;
  }
  throw new SyncError('stack.start-failed', `no free port from ${wanted} to ${wanted + portsTried - 1}`);
}

function tryPort(host: string, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}

/** Whether GET /ready answers with 200. By hand, because an HTTP client takes more memory than the supervisor itself. */
export function saysReady(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    let answer = '';
    socket.setTimeout(answerMsMax, () => socket.destroy());
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(answer.startsWith('HTTP/1.1 200 ')));
    socket.write('GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  });
}
