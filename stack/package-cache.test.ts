import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { verifyArtifacts } from './maven.ts';
import { fetchOnce, isFetched } from './package-cache.ts';
import { makeTestDirectory } from './test-stack.ts';

const cache = makeTestDirectory();
const context = { onProgress: () => {} };
beforeEach(() => vi.stubEnv('SYNCLINE_CACHE', cache));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(cache, { recursive: true, force: true }));

test('two who need one part at once fetch it once', async () => {
  let builds = 0;
  const build = async (target: string) => {
    builds += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
    mkdirSync(target);
    writeFileSync(join(target, 'file'), 'whole');
  };
  const folders = await Promise.all([fetchOnce('part', context, build), fetchOnce('part', context, build)]);
  expect(builds).toBe(1);
  expect(new Set(folders).size).toBe(1);
  expect(readFileSync(join(folders[0], 'file'), 'utf8')).toBe('whole');
});

test('a fetch that failed half-way leaves nothing that is used', async () => {
  const broken = fetchOnce('fragile', context, async (target) => {
    mkdirSync(target);
    writeFileSync(join(target, 'half'), 'half');
    throw new Error('the network went away');
  });
  await expect(broken).rejects.toThrow('the network went away');
  expect(isFetched('fragile')).toBe(false);
  const folder = await fetchOnce('fragile', context, async (target) => {
    mkdirSync(target);
    writeFileSync(join(target, 'whole'), 'whole');
  });
  expect(existsSync(join(folder, 'half'))).toBe(false);
});

test('a fetched file whose contents are not the pinned ones is refused', async () => {
  const folder = join(cache, 'forged');
  mkdirSync(folder);
  writeFileSync(join(folder, 'kafka-clients-4.3.1.jar'), 'not the client');
  await expect(verifyArtifacts('kafka', folder)).rejects.toMatchObject({
    code: 'stack.checksum-mismatch',
    details: { file: 'kafka-clients-4.3.1.jar' },
  });
});
