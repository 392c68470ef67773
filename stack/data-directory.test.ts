import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { openDataDirectory } from './data-directory.ts';
import { identityOf } from './process-identity.ts';
import { makeTestDirectory } from './test-stack.ts';

const self = identityOf(process.pid)!;
const silent = () => {};
const directory = makeTestDirectory();
afterEach(() => rmSync(join(directory, 'stack.json'), { force: true }));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('a directory in use is refused with the process that uses it', async () => {
  const first = await openDataDirectory(directory, self, silent);
  const second = openDataDirectory(directory, self, silent);
  await expect(second).rejects.toMatchObject({ code: 'stack.directory-in-use', details: { pid: process.pid } });
  first.release();
  (await openDataDirectory(directory, self, silent)).release();
});

test('the lock of a killed process is free at once', async () => {
  const lockFile = new URL('file-lock.ts', import.meta.url).href;
  const script = `const { tryLock } = await import('${lockFile}'); tryLock('${join(directory, 'lock')}');
    console.log('locked'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  await expect(openDataDirectory(directory, self, silent)).rejects.toMatchObject({ code: 'stack.directory-in-use' });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  (await openDataDirectory(directory, self, silent)).release();
});

test('a port is remembered, and replaced when somebody else has it', async () => {
  const first = await openDataDirectory(directory, self, silent);
  const port = await first.port('redis');
  first.release();

  const second = await openDataDirectory(directory, self, silent);
  expect(await second.port('redis')).toBe(port);
  second.release();

  const stranger = createServer().listen(port, '127.0.0.1');
  await once(stranger, 'listening');
  const third = await openDataDirectory(directory, self, silent);
  expect(await third.port('redis')).not.toBe(port);
  third.release();
  stranger.close();
});

test('what an earlier run left behind is ended', async () => {
  const leftover = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  const ended = once(leftover, 'exit');
  rememberService(identityOf(leftover.pid!)!);
  (await openDataDirectory(directory, self, silent)).release();
  await ended;
});

test('a stranger who was given a recorded process id is left alone', async () => {
  const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  rememberService({ pid: stranger.pid!, startedAt: 'another start' });
  (await openDataDirectory(directory, self, silent)).release();
  expect(identityOf(stranger.pid!)).toBeDefined();
  stranger.kill('SIGKILL');
});

function rememberService(identity: { pid: number; startedAt: string }): void {
  const file = join(directory, 'stack.json');
  writeFileSync(file, JSON.stringify({ ports: {}, services: { redis: identity }, places: {} }));
  expect(readFileSync(file, 'utf8')).toContain(String(identity.pid));
}
