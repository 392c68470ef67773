import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectFolder } from './config-files.ts';
import { flagsOfRole } from './process-memory.ts';

const testMsMax = 60_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'process-memory-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function runScript(text: string): string {
  const file = join(folder, 'script.mjs');
  writeFileSync(file, text);
  return execFileSync(process.execPath, [file], { encoding: 'utf8' });
}

/** The packages that are loaded with a module, and the parts of Node that cost most. */
function loadedWith(module: string): string[] {
  const url = pathToFileURL(join(projectFolder, module)).href;
  const text = runScript(`
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({ load(url, context, next) {
      const name = /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1];
      if (name !== undefined) loaded.add(name);
      return next(url, context);
    } });
    await import(${JSON.stringify(url)});
    for (const part of ['http2', 'internal/deps/undici/undici']) if (process.moduleLoadList.includes('NativeModule ' + part)) loaded.add(part);
    process.stdout.write(JSON.stringify([...loaded]));
    process.exit(0);
  `);
  return JSON.parse(text) as string[];
}

test(
  'the supervisor carries one client and no schema library',
  () => {
    const packages = loadedWith('bin/supervisor.ts');
    expect(packages).toContain('pg');
    expect(packages.filter((name) => !/^pg|^postgres|^split2$|^xtend$/.test(name))).toEqual([]);
  },
  testMsMax,
);

test.each([
  ['bin/roles/role-process.ts', ['express', 'ioredis', '@platformatic/kafka', 'zod-openapi', 'commander']],
  ['bin/roles/processor-role.ts', ['express', 'winston', 'zod-openapi', '@kafkajs/confluent-schema-registry', 'swagger-ui-dist']],
  ['bin/roles/sync-role.ts', ['express', 'ioredis', 'zod-openapi', '@kafkajs/confluent-schema-registry', 'swagger-ui-dist']],
  ['bin/roles/api-role.ts', ['@platformatic/kafka', '@kafkajs/confluent-schema-registry']],
])(
  '%s loads nothing of other roles, and no HTTP client that nobody uses',
  (module, foreign) => {
    const loaded = loadedWith(module);
    expect(loaded.filter((name) => foreign.includes(name))).toEqual([]);
    expect(loaded).not.toContain('internal/deps/undici/undici');
  },
  testMsMax,
);

test(
  'a role that nobody supervises begins anew under its id, with its flags and without the parser for types',
  () => {
    const observer = join(folder, 'observer.mjs');
    writeFileSync(
      observer,
      `console.log(JSON.stringify({ pid: process.pid, flags: process.execArgv }));
       const parser = () => process.moduleLoadList.some((name) => name.includes('deps/amaro'));
       process.on('exit', () => console.log(JSON.stringify({ parser: parser() })));`,
    );
    const { stdout } = spawnSync(process.execPath, [join(projectFolder, 'bin', 'syncline.ts'), 'role', 'processor'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        // A compile cache of its own, and no configuration to start with.
        TMPDIR: folder,
        SYNCLINE_CONFIG: join(folder, 'none.yml'),
        NODE_OPTIONS: `--import=${pathToFileURL(observer).href}`,
      },
    });
    const [first, second, end] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(first.flags).toEqual([]);
    expect(second).toEqual({ pid: first.pid, flags: [...flagsOfRole('processor')] });
    expect(end).toEqual({ parser: false });
  },
  testMsMax,
);
