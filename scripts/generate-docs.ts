/**
 * Writes what is generated from the code's own tables. `--check` writes nothing and fails where a file differs.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loggingSchema } from '../core/config/logging.ts';
import { fullConfigSchema } from './reference/config-schema.ts';
import { configurationPage } from './reference/configuration-page.ts';
import { errorsPage } from './reference/errors-page.ts';
import { editorSchema } from './reference/json-schema.ts';
import { metricsPage } from './reference/metrics-page.ts';

const root = join(import.meta.dirname, '..');

const generated: Readonly<Record<string, () => string>> = {
  'docs/reference/errors.md': errorsPage,
  'docs/reference/metrics.md': metricsPage,
  'docs/reference/configuration.md': configurationPage,
  'config/config.schema.json': () => json(editorSchema(fullConfigSchema, 'Syncline configuration')),
  'config/logging.schema.json': () => json(editorSchema(loggingSchema, 'Syncline logging')),
};

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function current(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}

const stale = Object.entries(generated)
  .map(([path, make]) => ({ path, text: make() }))
  .filter(({ path, text }) => current(path) !== text);

if (process.argv.includes('--check')) {
  for (const { path } of stale) console.error(`${path} differs from what the code says: run \`npm run fix\``);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const { path, text } of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
