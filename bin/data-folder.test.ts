import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDataFolder } from './data-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'data-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a data folder is made with those above it, and found again', () => {
  const wanted = join(folder, 'a', 'b');
  makeDataFolder(wanted);
  makeDataFolder(wanted);
  expect(statSync(wanted).isDirectory()).toBe(true);
});

test.each(['file', 'file/below'])('a data folder that cannot be made is named with the way out: %s', (name) => {
  writeFileSync(join(folder, 'file'), '');
  const wanted = join(folder, name);
  expect(() => makeDataFolder(wanted)).toThrow(
    expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining(join(folder, 'file')) }),
  );
  expect(() => makeDataFolder(wanted)).toThrow('--data-dir');
});
