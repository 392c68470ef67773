import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** What is fetched, made while running, or generated. */
const leftOut = new Set([
  '.git',
  'node_modules',
  '.syncline',
  '.mutants',
  'coverage',
  'docs/reference',
  'tests/fixtures',
  'package-lock.json',
]);
const textFile = /\.(ts|tsx|cjs|mjs|js|sh|ps1|sql|md|yml|yaml|json|xml|toml|env|example)$|^LICENSE$|^Dockerfile/;

/** Every text file of ours: path from the root with `/`, and text. */
export function ourFiles(): { path: string; text: string }[] {
  return [...pathsIn(root)].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

function* pathsIn(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = relative(root, join(folder, entry.name)).split(sep).join('/');
    if (leftOut.has(path) || leftOut.has(entry.name) || path.endsWith('.schema.json')) continue;
    if (entry.isDirectory()) yield* pathsIn(join(folder, entry.name));
    else if (entry.isFile() && textFile.test(entry.name)) yield path;
  }
}
