/**
 * `npm run new:connector NAME` makes the folder of a connector of tables, with a test that runs the contract suite, and the
 * line in the registry. What is left to write says so when it is called, and the suite fails until it is written.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [name, root = join(import.meta.dirname, '..')] = process.argv.slice(2);
if (name === undefined || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
  fail('usage: npm run new:connector NAME (lower-case letters, digits and -)');
const folder = join(root, 'connectors', name!);
if (existsSync(folder)) fail(`connectors/${name} is there already`);
const typeName = name!
  .split('-')
  .map((word) => word[0]!.toUpperCase() + word.slice(1))
  .join('');
const constant = `${typeName[0]!.toLowerCase()}${typeName.slice(1)}Connector`;

const connector = `import { z } from 'zod';
import { declareConnector } from '../declaration.ts';
import { polledTableOptions, tableOptionsProblem } from '../tables/table-options.ts';

const options = z.strictObject({
  url: z.string().min(1).describe('Where the system is.'),
});

export const ${constant} = declareConnector({
  name: '${name}',
  description: 'Reads tables of ${name}.',
  capabilities: { snapshot: true, changes: 'polled', deletes: true, target: false },
  source: {
    options,
    entity: polledTableOptions,
    problemOf: tableOptionsProblem,
    async create({ options: { url }, entities, polling, clock }) {
      const { ${typeName}TableReader } = await import('./${name}-table-reader.ts');
      const { createPolledSource } = await import('../tables/polled-source.ts');
      return createPolledSource({ tables: entities, reader: new ${typeName}TableReader(url), polling, clock });
    },
  },
});
`;

const unwritten = (what: string) => `throw new Error('write me: ${what}');`;
const reader = `import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../../core/ports/table-reader.ts';

export class ${typeName}TableReader implements TableReader {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async describe({ table }: TableSelection): Promise<TableShape> {
    throw new Error(\`write me: columns, key and rights of \${table} at \${this.#url}\`);
  }

  async rows(_shape: TableShape, _range: KeyRange, _limit: number, _columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    ${unwritten('the first rows of the range in the order of their keys')}
  }

  async rowsUnder(_shape: TableShape, _keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    ${unwritten('the rows under these keys')}
  }

  async rowsSince(_shape: TableShape, _from: WatermarkBound | null, _limit: number): Promise<readonly TableRow[]> {
    ${unwritten('the first rows in the order of (watermark, key)')}
  }

  async highestWatermark(_shape: TableShape): Promise<string | null> {
    ${unwritten('the highest watermark of all rows')}
  }

  async watermarkBefore(_shape: TableShape, _watermark: string, _overlapMs: number): Promise<string> {
    ${unwritten('a watermark that lies so much before this one')}
  }

  async close(): Promise<void> {}
}
`;

const test = `import { describeSourceConnector, type SourceWorld } from '../../tests/contracts/source-connector.contract.ts';

/** connectors/postgres/postgres-source.pg.test.ts shows how. */
async function openWorld(): Promise<SourceWorld> {
  ${unwritten(`a ${name} of the test’s own`)}
}

describeSourceConnector('${name}', openWorld);
`;

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'connector.ts'), connector);
writeFileSync(join(folder, `${name}-table-reader.ts`), reader);
writeFileSync(join(folder, `${name}-source.${name}.test.ts`), test);

const registryFile = join(root, 'connectors', 'registry.ts');
const registry = readFileSync(registryFile, 'utf8');
const imported = registry.replace(/\n\n/, `\nimport { ${constant} } from './${name}/connector.ts';\n\n`);
writeFileSync(
  registryFile,
  imported.replace(/(connectors: readonly ConnectorDeclaration\[\] = \[)([^\]]*?),?\s*\]/, `$1$2, ${constant}]`),
);
console.log(`connectors/${name} is made and registered; next: write the reader and the world of its test, then npm run fix`);

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
