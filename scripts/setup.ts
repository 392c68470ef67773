/**
 * Brings everything `npm start` and the tests need to this machine and says what and why. Whatever is there already
 * is left alone, so it may be run at any time. `--check` only reports, and fails when something is missing.
 */
import { parseArgs } from 'node:util';
import { isSyncError } from '../core/errors.ts';
import { inventory } from '../stack/inventory.ts';
import { cacheDirectory } from '../stack/package-cache.ts';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const say = (line: string) => process.stdout.write(`${line}\n`);
const abort = new AbortController();
process.once('SIGINT', () => abort.abort(new Error('interrupted')));

say(`${values.check ? 'Checking' : 'Preparing'} the embedded stack; fetched parts are kept in ${cacheDirectory()}`);
let missing = 0;
for (const item of inventory) {
  const found = await item.find();
  if (found !== undefined) {
    say(`  ${item.name.padEnd(9)} ${found}`);
    continue;
  }
  if (values.check) {
    if (item.optional !== true) missing += 1;
    say(`  ${item.name.padEnd(9)} missing: it ${item.purpose}; \`npm run setup\` brings it`);
    continue;
  }
  try {
    const where = await item.provide({ onProgress: (line) => say(`  … ${line}`), signal: abort.signal });
    say(`  ${item.name.padEnd(9)} ${where}`);
  } catch (error) {
    if (item.optional !== true) missing += 1;
    if (!isSyncError(error)) throw error;
    say(`  ${item.name.padEnd(9)} ${error.message}`);
  }
}
if (missing > 0) {
  say(`${missing} of ${inventory.length} parts are missing`);
  process.exitCode = 1;
} else {
  say('Everything is there.');
}
