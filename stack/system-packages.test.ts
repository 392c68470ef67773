import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { canInstallSystemPackages, installSystemPart } from './system-packages.ts';
import { makeTestDirectory } from './test-stack.ts';

const folder = makeTestDirectory();
const calls = join(folder, 'calls');
const context = { onProgress: (line: string) => told.push(line) };
let told: string[] = [];
beforeEach(() => {
  told = [];
  rmSync(calls, { force: true });
  vi.stubEnv('SYNCLINE_CACHE', folder);
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.runIf(canInstallSystemPackages())(
  'as root on Debian a missing part is installed without a question, saying what and why',
  async () => {
    installAptGet(`echo "$DEBIAN_FRONTEND $*" >> ${calls}`);
    await installSystemPart('maven', 'it fetches Kafka', context);
    expect(told.at(-1)).toBe('apt-get install maven: it fetches Kafka');
    expect(readFileSync(calls, 'utf8')).toMatch(/^noninteractive .* install -y .* maven$/m);
  },
);

test.runIf(canInstallSystemPackages())('an installation that failed names the command and what apt-get said', async () => {
  installAptGet('echo "E: no such package"; exit 100');
  const attempt = installSystemPart('java', 'Kafka runs on it', context);
  await expect(attempt).rejects.toMatchObject({ code: 'stack.part-missing', details: { part: 'java' } });
  await expect(attempt).rejects.toThrow(/E: no such package/);
});

test('who is not root is told the one command to type', async () => {
  vi.spyOn(process, 'getuid').mockReturnValue(1000);
  installAptGet(`touch ${calls}`);
  const attempt = installSystemPart('java', 'Kafka runs on it', context);
  await expect(attempt).rejects.toThrow(/java is missing \(Kafka runs on it\); type: (sudo apt-get|brew|sudo dnf) /);
  expect(existsSync(calls)).toBe(false);
});

function installAptGet(script: string): void {
  const file = join(folder, 'apt-get');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}
