import { execFileSync } from 'node:child_process';
import { expect, test, vi } from 'vitest';
import { connectorSchemas } from '../connectors/registry.ts';
import { configSchemaOf } from '../core/config/config.ts';
import { type TryIt, tryItOf } from './try-it.ts';
import { showWhereToLook } from './where-to-look.ts';

function tryItWith(entities: object | null, more: object = {}): TryIt {
  const shop = entities === null ? {} : { shop: { connector: 'http', entities } };
  const erp = { connector: 'postgres', url: 'postgres://u@h/d', entities: { users: {} } };
  return tryItOf(configSchemaOf(connectorSchemas).parse({ sources: { ...shop, erp }, ...more }));
}

const product = {
  key: 'sku',
  schema: {
    fields: {
      sku: { type: 'string', required: true },
      name: { type: 'string', required: true },
      state: { type: 'string', enum: ['new', 'used'], required: true },
      stock: { type: 'integer', min: 5, required: true },
      lines: { type: 'array', items: { type: 'object', fields: { n: { type: 'date', required: true } } }, required: true },
      note: { type: 'string' },
    },
  },
};

test.each<[string, object, string, object]>([
  ['users, where it has some', { products: product, users: {} }, '/users', { name: 'Ada', email: 'ada@example.com' }],
  ['what it has instead', { orders: { key: 'id' } }, '/events/orders', { id: 'id-1', name: 'Ada', email: 'ada@example.com' }],
  [
    'all that its type asks for',
    { products: product },
    '/events/products',
    { sku: 'sku-1', name: 'Ada', state: 'new', stock: 5, lines: [{ n: '2026-01-31' }] },
  ],
])('the first thing to try is a post that the configuration takes: %s', (_what, entities, path, body) => {
  const tried = tryItWith(entities);
  expect(tried).toMatchObject({ kind: 'post', path, needsKey: false });
  expect(tried.kind === 'post' && JSON.parse(tried.body)).toEqual(body);
});

test('where nobody takes posts, or none that can be made up, one looks at what is read', () => {
  expect(tryItWith(null)).toEqual({ kind: 'look' });
  const odd = { key: 'sku', schema: { fields: { sku: { type: 'string', pattern: '^[0-9]{13}$', required: true } } } };
  expect(tryItWith({ products: odd })).toEqual({ kind: 'look' });
});

test('the key is named where posts need one', () => {
  expect(tryItWith({ users: {} }, { api: { anonymousIngest: 'never' } })).toMatchObject({ needsKey: true });
});

test('a shell reads what is shown as it was meant', () => {
  let output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  const runtime = {
    pid: 1,
    startedAt: '',
    api: 'http://127.0.0.1:3000',
    kafka: '',
    postgres: 'postgres://u@h/d',
    redis: '',
    keyFile: '/k',
  };
  const tryIt = { kind: 'post', path: '/events/a?source=b', body: `{"name":"O'Neil"}`, needsKey: false } as const;
  showWhereToLook(runtime, { dataFolder: '/d', isDefaultFolder: true, tryIt }, 1_000);
  vi.restoreAllMocks();
  const line = output.split('\n').find((text) => text.includes('try it'))!;
  // Some shells take a question mark for the name of a file.
  expect(line).toContain(" 'http://127.0.0.1:3000/events/a?source=b' ");
  const words = execFileSync('sh', ['-c', `set -- ${line.trim().replace('try it', '')}; printf '%s\\n' "$@"`], {
    encoding: 'utf8',
  });
  expect(words.trim().split('\n')).toEqual([
    'curl',
    '-X',
    'POST',
    'http://127.0.0.1:3000/events/a?source=b',
    '-H',
    'content-type: application/json',
    '-d',
    `{"name":"O'Neil"}`,
  ]);
});
