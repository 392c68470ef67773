import assert from 'node:assert';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Stages } from './stages.ts';

/** A change of the product's text that breaks one of its promises. */
export interface Mutation {
  readonly file: string;
  /** Each text occurs once in the file; where it does not any more, the mutation has to be written anew. */
  readonly patches: readonly { readonly text: string; readonly instead: string }[];
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const copiedFolders = ['stream-processors', 'sync-manager', 'adapters/memory', 'core/identity'];
const relativeImport = /(from |import\()'(\.\.?\/[^']+)'/g;

/** A copy of the stages with the mutations in it. Whatever they import from elsewhere stays what it is. */
export async function loadMutant(name: string, mutations: readonly Mutation[]): Promise<{ stages: Stages; remove: () => void }> {
  const folder = join(root, '.mutants', `${name}-${process.pid}`);
  const copies = new Set(copiedFolders.flatMap(sourcesIn));
  for (const { file } of mutations) assert(copies.has(join(root, file)), `${file} is not among the copied files`);
  const texts = [...copies].map((file) => {
    const own = mutations.filter((mutation) => join(root, mutation.file) === file);
    const text = own.flatMap(({ patches }) => patches).reduce(patched, readFileSync(file, 'utf8'));
    return { copy: join(folder, file.slice(root.length)), text: withAbsoluteImports(text, file, copies) };
  });
  for (const { copy, text } of texts) {
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, text);
  }
  const load = (file: string) => import(/* @vite-ignore */ pathToFileURL(join(folder, file)).href);
  const [processor, syncWorker, publisher, cache, store, identity] = await Promise.all([
    load('stream-processors/processor-worker.ts'),
    load('sync-manager/sync-worker.ts'),
    load('sync-manager/publisher.ts'),
    load('adapters/memory/state-cache.ts'),
    load('adapters/memory/sync-store.ts'),
    load('adapters/memory/identity-store.ts'),
  ]);
  const stages = {
    ProcessorWorker: processor.ProcessorWorker,
    SyncWorker: syncWorker.SyncWorker,
    Publisher: publisher.Publisher,
    MemoryStateCache: cache.MemoryStateCache,
    MemorySyncStore: store.MemorySyncStore,
    BindingRows: identity.BindingRows,
  };
  return { stages, remove: () => rmSync(folder, { recursive: true }) };
}

function sourcesIn(folder: string): string[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  return names.map((name) => join(root, folder, name));
}

function patched(text: string, patch: { readonly text: string; readonly instead: string }): string {
  const occurrences = text.split(patch.text).length - 1;
  assert.strictEqual(
    occurrences,
    1,
    `this text occurs ${occurrences} times, the mutation does not fit the code any more:\n${patch.text}`,
  );
  return text.replace(patch.text, () => patch.instead);
}

function withAbsoluteImports(text: string, file: string, copies: ReadonlySet<string>): string {
  return text.replace(relativeImport, (statement, keyword: string, specifier: string) => {
    const target = resolve(dirname(file), specifier);
    return copies.has(target) ? statement : `${keyword}'${pathToFileURL(target).href}'`;
  });
}
