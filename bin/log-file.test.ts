import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogFile, type LogFileLimits } from './log-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'));
  path = join(folder, 'logs', 'api.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function write(limits: LogFileLimits, ...chunks: readonly string[]): Promise<void> {
  const log = new LogFile(path, limits);
  for (const chunk of chunks) log.write(chunk);
  await new Promise<void>((resolve) => log.end(resolve));
}

const files = () => readdirSync(join(folder, 'logs')).sort();
const contentOf = (file: string) => readFileSync(join(folder, 'logs', file), 'utf8');

test('a log that is full is set aside while its role runs, and the oldest goes', async () => {
  const lines = Array.from({ length: 9 }, (_none, n) => `line ${n}\n`);
  await write({ bytesMax: 14, filesKept: 2 }, ...lines);
  expect(files()).toEqual(['api.log', 'api.log.1', 'api.log.2']);
  expect([contentOf('api.log.2'), contentOf('api.log.1'), contentOf('api.log')].join('')).toBe(lines.slice(4).join(''));
});

test('all files of a role stay within the budget, whatever is written', async () => {
  const limits = { bytesMax: 100, filesKept: 3 };
  await write(limits, 'x'.repeat(1_000), ...Array.from({ length: 50 }, (_none, n) => `${'y'.repeat(n * 3)}\n`));
  const sizes = files().map((file) => contentOf(file).length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.bytesMax);
  expect(sizes).toHaveLength(limits.filesKept + 1);
});

test('a line is in one file', async () => {
  await write({ bytesMax: 20, filesKept: 5 }, 'first line\nsecond', ' line\nthird line\n');
  const lines = files().flatMap((file) => contentOf(file).split('\n'));
  expect(lines.filter((line) => line.includes('line')).sort()).toEqual(['first line', 'second line', 'third line']);
});

test('a restart goes on where the file was, and a smaller budget removes what is too much', async () => {
  const wide = { bytesMax: 10, filesKept: 4 };
  await write(wide, ...Array.from({ length: 5 }, (_none, n) => `line ${n}\n`));
  await write({ ...wide, filesKept: 1 }, 'again\n');
  expect(files()).toEqual(['api.log', 'api.log.1']);
  expect(contentOf('api.log.1')).toBe('line 4\n');
});

test('where nothing can be written lines are lost, and nothing else', async () => {
  writeFileSync(join(folder, 'logs'), 'a file in the place of the folder');
  await write({ bytesMax: 10, filesKept: 1 }, 'lost\n');
  expect(existsSync(path)).toBe(false);
});
