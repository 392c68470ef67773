import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startStack } from './stack.ts';
import { makeTestDirectory } from './test-stack.ts';

const folder = makeTestDirectory();
const calls = join(folder, 'calls');
beforeEach(() => {
  rmSync(calls, { force: true });
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('without an engine that answers, --docker says so and starts nothing', async () => {
  installDocker('[ "$1" = info ] && { echo "Cannot connect to the Docker daemon" >&2; exit 1; }; exit 0');
  const attempt = startStack({ dataDir: join(folder, 'data'), parts: ['redis'], mode: 'docker' });
  await expect(attempt).rejects.toMatchObject({ code: 'stack.part-missing', details: { part: 'docker' } });
  await expect(attempt).rejects.toThrow(/no Docker engine answers.*\n.*Cannot connect to the Docker daemon/);
  expect(existsSync(calls)).toBe(false);
});

test('without the compose plugin --docker names what to install', async () => {
  installDocker('exit 1');
  const attempt = startStack({ dataDir: join(folder, 'data'), parts: ['redis'], mode: 'docker' });
  await expect(attempt).rejects.toThrow(/docker has no compose plugin/);
});

test('with an engine each part is a container of one project, stopped with the stack', async () => {
  installDocker(`[ "$1" = compose ] && [ "$2" = -p ] && echo "$SYNCLINE_REDIS_PORT $*" >> ${calls}; exit 0`);
  const stack = await startStack({ dataDir: join(folder, 'data'), parts: ['redis'], mode: 'docker' });
  await stack.stop();
  const [up, stop] = readFileSync(calls, 'utf8').split('\n');
  expect(up).toMatch(/^(\d+) compose -p syncline-\w+ -f .*docker-compose.yml up --detach --wait redis$/);
  expect(stack.addresses.redis).toBe(`redis://127.0.0.1:${up?.split(' ')[0]}`);
  expect(stop).toMatch(/ stop redis$/);
});

function installDocker(script: string): void {
  const file = join(folder, 'docker');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}
