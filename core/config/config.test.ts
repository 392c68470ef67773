import { expect, test } from 'vitest';
import { type ConfigInput, configSchema, parseConfig } from './config.ts';

const input: ConfigInput = {
  profile: 'production',
  serialization: 'avro',
  secretKey: 'x'.repeat(32),
  kafka: { brokers: ['one:9092', 'two:9092'], replicationFactor: 3 },
  postgres: { url: 'postgres://ada:lovelace@db/sync' },
  redis: { url: 'redis://cache' },
  schemaRegistry: { url: 'http://registry:8081' },
  api: { corsOrigins: ['https://a.example.com'], rateLimit: { perMinute: 10 }, anonymousIngest: 'never' },
  retry: { delayMs: '1s', delayMsMax: 60_000 },
  demo: { enabled: false, source: 'shop' },
  sources: {
    shop: {
      connector: 'http',
      entities: {
        users: {
          key: ['email'],
          occurredAt: 'changedAt',
          schema: {
            fields: { email: { type: 'email', required: true }, lines: { type: 'array', items: { type: 'object', fields: {} } } },
            additionalFields: 'refuse',
          },
          mapping: { fields: { email: { from: 'email', do: ['trim', 'lower'] } } },
          compare: { fields: ['email'] },
          identity: [{ fields: ['email'], normalise: ['lower'] }],
        },
      },
    },
  },
};

function* pathsOf(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) yield* pathsOf(inner, [...path, name]);
}

function withValueAt(value: unknown, [name, ...rest]: readonly string[], replacement: unknown): unknown {
  if (name === undefined) return replacement;
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[name] = withValueAt(copy[name], rest, replacement);
  return copy;
}

test.each([[null], [undefined], [true], [-1], ['text'], [[]], [[null]], [{}], [{ a: null }], [{ a: { b: [] } }]])(
  'with %j in any place the configuration is accepted or refused, never a failure of ours',
  (replacement) => {
    for (const path of pathsOf(input))
      expect(() => configSchema.safeParse(withValueAt(input, path, replacement)), path.join('.')).not.toThrow();
  },
);

test('quantities are numbers in the unit of their name, or carry a unit of their own', () => {
  const { retry, limits } = parseConfig({
    retry: { delayMs: 250, delayMsMax: '1.5h' },
    limits: { recordBytesMax: '512 KiB' },
  });
  expect(retry).toMatchObject({ delayMs: 250, delayMsMax: 5_400_000 });
  expect(limits.recordBytesMax).toBe(524_288);
});

test('a source is of its own name in capitals unless it says otherwise', () => {
  const { sources } = parseConfig({
    sources: { 'shop-eu': { connector: 'http', entities: {} }, other: { connector: 'http', type: 'SHOP', entities: {} } },
  });
  expect(Object.values(sources).map(({ type }) => type)).toEqual(['SHOP_EU', 'SHOP']);
});

test('a key is a list of fields, however it was written', () => {
  const { sources } = parseConfig({
    sources: { shop: { connector: 'http', entities: { a: { key: 'id' }, b: { key: ['x', 'y'] }, c: {} } } },
  });
  expect(Object.values(sources.shop?.entities ?? {}).map(({ key }) => key)).toEqual([['id'], ['x', 'y'], []]);
});
