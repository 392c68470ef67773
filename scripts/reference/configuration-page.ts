import { loggingSchema } from '../../core/config/logging.ts';
import { fullConfigSchema } from './config-schema.ts';
import { type JsonSchema, schemaOf } from './json-schema.ts';

const introduction = `# Configuration

\`config/config.yml\` is read once at start; \`--config FILE\` or \`SYNCLINE_CONFIG\` name another. \`syncline validate\` checks it and starts nothing:
every problem is named at once, with its line.

- \`\${NAME}\` stands for an environment variable, \`\${NAME:-default}\` for one that may be missing or empty, \`$\${\` for the characters themselves.
  In quotes the outcome is text; without, it is what it looks like.
- Durations and sizes are numbers in the unit their name ends in (\`delayMs\`, \`recordBytesMax\`), or carry their own: \`10s\`, \`15m\`, \`1MB\`, \`512KiB\`.
- Names in angle brackets are free to choose.`;

/** Languages of their own have pages of their own. */
const ownPages: Readonly<Record<string, string>> = {
  mapping: 'See [mapping](../mapping.md).',
};

interface Row {
  readonly setting: string;
  readonly takes: string;
  readonly preset: string;
  readonly meaning: string;
}

export function configurationPage(): string {
  return [
    introduction,
    '## `config/config.yml`',
    tableOf(schemaOf(fullConfigSchema)),
    '## `config/logging.yml`',
    tableOf(schemaOf(loggingSchema)),
  ]
    .join('\n\n')
    .concat('\n');
}

function tableOf(root: JsonSchema): string {
  const rows = [...rowsOf(root, root, '', new Set())].map(
    ({ setting, takes, preset, meaning }) => `| \`${setting}\` | ${takes} | ${preset} | ${meaning} |`,
  );
  return ['| setting | takes | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function* rowsOf(root: JsonSchema, schema: JsonSchema, path: string, above: ReadonlySet<string>): Generator<Row> {
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    if (typeof child === 'boolean') continue;
    const setting = path === '' ? name : `${path}.${name}`;
    const ownPage = ownPages[name];
    const required = schema.required?.includes(name) === true && child.default === undefined;
    const preset = required ? 'required' : presetOf(child.default);
    const meaning = [cell(child.description ?? ''), ownPage].filter((part) => part !== undefined && part !== '').join(' ');
    const inner = ownPage !== undefined || above.has(name) ? undefined : childOf(root, child);
    // A section is its settings; alone it says nothing.
    if (inner === undefined || meaning !== '') yield { setting, takes: takesOf(child), preset, meaning };
    if (inner !== undefined) yield* rowsOf(root, inner.schema, `${setting}${inner.path}`, new Set([...above, name]));
    else yield* branchRows(root, child, setting, new Set([...above, name]));
  }
}

/** Of sections that differ by connector: what all have, and then what some have, with their names. */
function* branchRows(root: JsonSchema, child: JsonSchema, setting: string, above: ReadonlySet<string>): Generator<Row> {
  const named = resolved(root, child.additionalProperties);
  const branches = ((named?.anyOf ?? []) as JsonSchema[]).filter(({ properties }) => properties?.connector !== undefined);
  if (branches.length === 0) return;
  const connectors: string[] = [];
  const holders = new Map<string, { row: Row; of: string[] }>();
  for (const branch of branches) {
    const { connector, ...properties } = branch.properties as Record<string, JsonSchema>;
    const name = `\`${connector!.const}\``;
    connectors.push(name);
    for (const row of rowsOf(root, { ...branch, properties }, `${setting}.<name>`, above)) {
      const held = holders.get(JSON.stringify(row)) ?? { row, of: [] };
      held.of.push(name);
      holders.set(JSON.stringify(row), held);
    }
  }
  yield {
    setting: `${setting}.<name>.connector`,
    takes: connectors.join(' · '),
    preset: 'required',
    meaning: 'The connector that reaches it.',
  };
  const rows = [...holders.values()];
  for (const { row, of } of rows) if (of.length === connectors.length) yield row;
  for (const { row, of } of rows)
    if (of.length < connectors.length) yield { ...row, meaning: `${of.join(', ')}: ${row.meaning}` };
}

/** Where settings go on below: in a section, under names that are free to choose, in the items of a list. */
function childOf(root: JsonSchema, schema: JsonSchema): { schema: JsonSchema; path: string } | undefined {
  if (schema.properties !== undefined) return { schema, path: '' };
  const named = resolved(root, schema.additionalProperties);
  if (named !== undefined) return named.properties === undefined ? undefined : { schema: named, path: '.<name>' };
  const item = schema.items;
  return typeof item === 'object' && !Array.isArray(item) && item.properties !== undefined
    ? { schema: item, path: '[]' }
    : undefined;
}

function resolved(root: JsonSchema, child: JsonSchema['items'] | JsonSchema['additionalProperties']): JsonSchema | undefined {
  if (typeof child !== 'object' || Array.isArray(child)) return undefined;
  const definition = child.$ref === undefined ? child : root.$defs?.[child.$ref.replace('#/$defs/', '')];
  return typeof definition === 'object' ? definition : undefined;
}

function takesOf(schema: JsonSchema): string {
  if (schema.unit === 'duration') return 'duration';
  if (schema.unit === 'size') return 'size';
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(' · ');
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])] as JsonSchema[];
  if (branches.length > 0) return [...new Set(branches.map(takesOf))].join(' or ');
  if (schema.type === 'array') return 'list';
  if (schema.type === 'object') return schema.properties === undefined ? 'names' : 'section';
  if (schema.type === 'string') return 'text';
  const { minimum, maximum } = schema;
  const bounds = [minimum, maximum].every((bound) => bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER);
  return `${schema.type === 'boolean' ? 'true · false' : (schema.type ?? 'value')}${bounds ? ` ${minimum}–${maximum}` : ''}`;
}

function presetOf(preset: unknown): string {
  if (preset === undefined || (typeof preset === 'object' && JSON.stringify(preset) === '{}')) return '';
  return preset === '' ? 'empty' : `\`${typeof preset === 'string' ? preset : JSON.stringify(preset)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
