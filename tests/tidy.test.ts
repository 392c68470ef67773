import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorCatalogue } from '../core/errors.ts';
import { ourFiles, root } from './source-tree.ts';

const files = ourFiles();
const sources = files.filter(({ path }) => /\.(ts|tsx|cjs)$/.test(path));

const linesMax = 400;

/** `file:line  text` of every line that matches, in files that are not excepted. */
function linesMatching(pattern: RegExp, among = sources, except: readonly string[] = []): string[] {
  return among
    .filter(({ path }) => !except.includes(path))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}  ${line.trim()}`] : [])),
    );
}

const thisFile = 'tests/tidy.test.ts';

test(`no source file has more than ${linesMax} lines`, () => {
  const long = sources
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > linesMax);
  expect(long).toEqual([]);
});

test('files and folders are named in lower case with hyphens', () => {
  const named = /^(\.?[a-z0-9]+(-[a-z0-9]+)*\/)*\.?[a-z0-9]+([.-][a-z0-9]+)*\.(ts|tsx|cjs)$/;
  expect(sources.map(({ path }) => path).filter((path) => !named.test(path))).toEqual([]);
});

test('no folder or file is called after nothing in particular', () => {
  const vague = /(^|\/)(utils?|common|helpers?|lib|misc|shared)(\/|\.ts$)/;
  expect(files.map(({ path }) => path).filter((path) => vague.test(path))).toEqual([]);
});

test('nothing is exported by default but configuration', () => {
  const code = sources.filter(({ path }) => !/\.config\.ts$/.test(path));
  expect(linesMatching(/^export default\b/, code)).toEqual([]);
});

test('nothing is exported on behalf of another file', () => {
  expect(linesMatching(/^export (type )?(\*|\{[^}]*\}) from /)).toEqual([]);
});

test('nothing is put off', () => {
  expect(linesMatching(/\b(TODO|FIXME|HACK)\b/, files, [thisFile])).toEqual([]);
});

test('no test is left out', () => {
  expect(linesMatching(/\b(test|it|describe|suite)\.(skip|only|todo|skipIf)\b/, sources, [thisFile])).toEqual([]);
});

test('no file knows the machine it was written on', () => {
  expect(linesMatching(/(^|[\s'"`(=:])\/(work|root|home|Users)\/[\w.-]/, files, [thisFile])).toEqual([]);
});

test('every invariant the code cites is written down, and every one written down is cited', () => {
  const written = new Set(
    [...readFileSync(join(root, 'docs/invariants.md'), 'utf8').matchAll(/^(?:#+ |\*\*)?(?:Invariant )?(\d+)[.:) ]/gm)].map(
      numberOf,
    ),
  );
  const cited = new Set(
    sources.filter(({ path }) => path !== thisFile).flatMap(({ text }) => [...text.matchAll(/Invariant (\d+)/g)].map(numberOf)),
  );
  expect([...cited].sort(ascending)).toEqual([...written].sort(ascending));
});

function numberOf(match: RegExpExecArray): number {
  return Number(match[1]);
}

function ascending(left: number, right: number): number {
  return left - right;
}

test('every error of the catalogue is documented, and nothing else is', () => {
  const documented = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8').matchAll(/^## `(.+)`$/gm);
  expect([...documented].map((heading) => heading[1])).toEqual(Object.keys(errorCatalogue));
});

test('every error of the catalogue can be met', () => {
  const product = sources.filter(({ path }) => !/^core\/(errors|problem)\.ts$|\.test\.ts$|^(tests|bench)\//.test(path));
  const unused = Object.keys(errorCatalogue).filter((code) => !product.some(({ text }) => text.includes(`'${code}'`)));
  expect(unused).toEqual([]);
});
