import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { expect, test, vi } from 'vitest';
import { familyOf } from './process-end.ts';
import { identityOf, isRunning } from './process-identity.ts';
import { startStack } from './stack.ts';
import { acquireTestStack, makeTestDirectory } from './test-stack.ts';

const pollForMs = { timeout: 60_000, interval: 50 };

test('a killed parent leaves no service behind', { timeout: 60_000 }, async () => {
  const dataDir = makeTestDirectory();
  const { parent, lines } = startParent(dataDir, ['redis', 'postgres']);
  const { value } = await lines.next();
  const pids = Object.values(JSON.parse(String(value)) as Record<string, number>);
  expect(pids).toHaveLength(2);
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(pids.filter((pid) => identityOf(pid) !== undefined)).toEqual([]), pollForMs);
  rmSync(dataDir, { recursive: true, force: true });
});

test('a parent killed while services are paused leaves none behind', { timeout: 60_000 }, async () => {
  const dataDir = makeTestDirectory();
  const { parent, lines } = startParent(
    dataDir,
    ['redis', 'postgres'],
    `await stack.part('redis').pause(); await stack.part('postgres').pause();`,
  );
  const pids = Object.values(JSON.parse(String((await lines.next()).value)) as Record<string, number>);
  const family = pids.flatMap((pid) => familyOf(identityOf(pid)!));
  expect(family.length).toBeGreaterThan(pids.length);
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(family.filter(isRunning)).toEqual([]), pollForMs);
  rmSync(dataDir, { recursive: true, force: true });
});

test('a parent killed at any moment of its start leaves no service behind', { timeout: 120_000 }, async () => {
  for (let delayMs = 100; delayMs <= 1_000; delayMs += 100) {
    const dataDir = makeTestDirectory();
    const { parent } = startParent(dataDir, ['redis', 'postgres']);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(processesNaming(dataDir)).toEqual([]), pollForMs);
    rmSync(dataDir, { recursive: true, force: true });
  }
});

test('the folder of a killed test run disappears', { timeout: 60_000 }, async () => {
  const dataDir = makeTestDirectory();
  const { parent, lines } = startParent(dataDir, ['redis']);
  await lines.next();
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(existsSync(dataDir)).toBe(false), pollForMs);
});

test('services outlive Ctrl-C until the one who started them stops them', async () => {
  const dataDir = makeTestDirectory();
  const { parent, lines } = startParent(dataDir, ['redis'], `process.on('SIGINT', () => console.log('still here'));`);
  const [pid] = Object.values(JSON.parse(String((await lines.next()).value)) as Record<string, number>);
  process.kill(-parent.pid!, 'SIGINT');
  expect((await lines.next()).value).toBe('still here');
  expect(identityOf(pid!)).toBeDefined();
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(existsSync(dataDir)).toBe(false), pollForMs);
});

test('a configured address is used and nothing is started for it', async () => {
  const stack = await acquireTestStack(['redis'], { addresses: { redis: 'redis://elsewhere:6379' } });
  expect(stack.addresses).toEqual({ redis: 'redis://elsewhere:6379' });
  expect(stack.pids).toEqual({});
  await stack.stop();
});

test('a wished port that is taken is refused rather than replaced', async () => {
  const stranger = createServer().listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  const { port } = stranger.address() as { port: number };
  const attempt = acquireTestStack(['redis'], { ports: { redis: port } });
  await expect(attempt).rejects.toMatchObject({ code: 'stack.start-failed', details: { part: 'redis', port } });
  stranger.close();
});

test('a paused part stays silent until it is resumed', async () => {
  const stack = await acquireTestStack(['redis']);
  const client = new Redis(stack.addresses.redis!);
  await client.ping();
  await stack.part('redis').pause();
  let answered = false;
  const answer = client.set('key', 'value').then(() => {
    answered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(answered).toBe(false);
  await stack.part('redis').resume();
  await answer;
  client.disconnect();
  await stack.stop();
});

test('a stack that was called off ends what it had started', async () => {
  const abort = new AbortController();
  const dataDir = makeTestDirectory();
  const attempt = startStack({
    dataDir,
    parts: ['redis'],
    signal: abort.signal,
    onProgress: () => abort.abort(new Error('called off')),
  });
  abort.abort(new Error('called off'));
  await expect(attempt).rejects.toThrow('called off');
  await (await startStack({ dataDir, parts: ['redis'], disposable: true })).stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function processesNaming(text: string): string[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(text) && !/^\s*\d+\s+Z/.test(line));
}

/** A process of its own that starts a stack, prints the process ids and stays. */
function startParent(
  dataDir: string,
  parts: readonly string[],
  then = '',
): { parent: ChildProcess; lines: AsyncIterator<string> } {
  const module = new URL('stack.ts', import.meta.url).href;
  const options = JSON.stringify({ dataDir, parts, fast: true, disposable: true });
  const script = `const { startStack } = await import('${module}'); const stack = await startStack(${options});
    ${then} console.log(JSON.stringify(stack.pids)); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { parent, lines: createInterface({ input: parent.stdout! })[Symbol.asyncIterator]() };
}
