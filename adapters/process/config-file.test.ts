import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connectorSchemas } from '../../connectors/registry.ts';
import { configSchemaOf, type SynclineConfig } from '../../core/config/config.ts';
import { isSyncError, type SyncError } from '../../core/errors.ts';
import { loadConfig as loadConfigWith, loadLogging } from './config-file.ts';

const schema = configSchemaOf(connectorSchemas);
const loadConfig = (file: string, env: Readonly<Record<string, string | undefined>>): SynclineConfig =>
  loadConfigWith(file, env, schema);

import type { ConfigProblem } from './config-problem.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncline-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function write(text: string): string {
  const file = join(folder, `config-${files++}.yml`);
  writeFileSync(file, text);
  return file;
}

function refusalOf(text: string, env: Record<string, string> = {}): SyncError {
  try {
    loadConfig(write(text), env);
  } catch (error) {
    if (isSyncError(error)) return error;
    throw error;
  }
  throw new Error('the file was accepted');
}

/** `line:column path message suggestion` of every problem. */
function problemsOf(text: string, env: Record<string, string> = {}): string[] {
  const problems = refusalOf(text, env).details.problems as ConfigProblem[];
  return problems.map(
    ({ line, column, path, message, suggestion }) => `${line}:${column} ${path} | ${message} | ${suggestion ?? ''}`,
  );
}

test('the configuration that comes with the product is accepted with nothing set', () => {
  const config = loadConfig('config/config.yml', {});
  expect(config.kafka.brokers).toBe('embedded');
  expect(config.sources.shop?.type).toBe('SHOP');
  expect(config.demo.enabled).toBe(true);
});

test('the environment variables it names are taken up', () => {
  const config = loadConfig('config/config.yml', {
    DATABASE_URL: 'postgres://ada:lovelace@db.example.com/sync',
    REDIS_URL: 'rediss://cache.example.com:6380',
    KAFKA_BROKERS: 'k1.example.com:9092, k2.example.com:9092',
    CORS_ORIGINS: 'https://a.example.com,https://b.example.com',
    SYNC_INTERVAL: '30s',
    BATCH_SIZE: '500',
    SECRET_KEY: '12345678901234567890123456789012',
    PORT: '8080',
  });
  expect(config.postgres.url).toBe('postgres://ada:lovelace@db.example.com/sync');
  expect(config.redis.url).toBe('rediss://cache.example.com:6380');
  expect(config.kafka.brokers).toEqual(['k1.example.com:9092', 'k2.example.com:9092']);
  expect(config.api.corsOrigins).toEqual(['https://a.example.com', 'https://b.example.com']);
  expect(config.polling).toEqual({ intervalMs: 30_000, batchRecordsMax: 500 });
  expect(config.secretKey).toBe('12345678901234567890123456789012');
  expect(config.api.port).toBe(8080);
});

test('the environment alone makes it fit for production', () => {
  const config = loadConfig('config/config.yml', {
    SYNCLINE_PROFILE: 'production',
    SECRET_KEY: 'x'.repeat(32),
    SYNCLINE_ANONYMOUS_INGEST: 'never',
    SYNCLINE_DEMO: 'false',
  });
  expect(config.profile).toBe('production');
});

test('every variable the files refer to stands in .env.example, and no other', () => {
  const files = ['config/config.yml', 'config/logging.yml'].map((file) => readFileSync(file, 'utf8').replace(/^ *#.*$/gm, ''));
  const referred = files.flatMap((text) => [...text.matchAll(/\$\{(\w+)/g)].map((match) => match[1]));
  const listed = [...readFileSync('.env.example', 'utf8').matchAll(/^(\w+)=/gm)].map((match) => match[1]);
  expect(listed.sort()).toEqual([...new Set(referred)].sort());
});

test('the configuration cannot be changed by whoever holds it', () => {
  const config = loadConfig('config/config.yml', {});
  expect(Object.isFrozen(config.sources.shop?.entities.users?.schema?.fields)).toBe(true);
});

test('an empty file means the defaults', () => {
  expect(loadConfig(write(''), {}).postgres.url).toBe('embedded');
});

test('a file that cannot be read is named', () => {
  expect(() => loadConfig(join(folder, 'nowhere.yml'), {})).toThrow(/cannot read .*nowhere\.yml/);
});

test('what is not YAML is refused at its line', () => {
  const error = refusalOf('kafka:\n  brokers: [a:1\npostgres: {}\n');
  expect(error.code).toBe('config.unreadable');
  expect(error.message).toMatch(/config-\d+\.yml:[23]:\d+ {2}/);
});

test('a setting that stands twice is refused', () => {
  expect(problemsOf('dataDir: a\ndataDir: b\n')).toEqual(['2:1  | Map keys must be unique | ']);
});

test('an unknown setting is named with what was probably meant', () => {
  expect(problemsOf('kafka:\n  borkers: a:1\nposgres:\n  url: embedded\n')).toEqual([
    '2:3 kafka.borkers | there is no such setting | did you mean `brokers`?',
    '3:1 posgres | there is no such setting | did you mean `postgres`?',
  ]);
});

test('an unknown setting of a source is found inside names that are free to choose', () => {
  expect(problemsOf('sources:\n  shop:\n    conector: http\n    entities:\n      users:\n        keys: email\n')).toEqual([
    '2:3 sources.shop.connector | this setting is missing | ',
    '3:5 sources.shop.conector | there is no such setting | did you mean `connector`?',
    '6:9 sources.shop.entities.users.keys | there is no such setting | did you mean `key`?',
  ]);
});

test('a value of the wrong type says what was expected and what was found', () => {
  expect(problemsOf('api:\n  port: many\n  rateLimit: 7\ndemo:\n  enabled: 1\nkafka:\n')).toEqual([
    '2:9 api.port | expected a number, found a text | ',
    '3:14 api.rateLimit | expected a section with settings, found a number | ',
    '5:12 demo.enabled | expected true or false, found a number | ',
    '6:1 kafka | expected a section with settings, found nothing | ',
  ]);
});

test('a word that is none of those allowed is met with the nearest', () => {
  expect(problemsOf('profile: prodction\nkafka:\n  compression: lz5\n')).toEqual([
    '1:10 profile | expected one of development, production | did you mean `production`?',
    '3:16 kafka.compression | expected one of none, lz4 | did you mean `lz4`?',
  ]);
});

test('numbers, durations and sizes outside their bounds are refused', () => {
  expect(
    problemsOf('api:\n  port: 70000\nretry:\n  delayMs: 10 parsecs\n  delayMsMax: 40d\nlimits:\n  recordBytesMax: 64MB\n'),
  ).toEqual([
    '2:9 api.port | expected at most 65535 | ',
    '4:12 retry.delayMs | expected a duration: milliseconds, or a number with ms, s, m, h or d, such as 10s | ',
    '5:15 retry.delayMsMax | at most 1d | ',
    '7:19 limits.recordBytesMax | at most 16000000 bytes | ',
  ]);
});

test('addresses that are none are refused, wherever they stand in a list', () => {
  const text =
    'kafka:\n  brokers:\n    - one.example.com:9092\n    - two.example.com\npostgres:\n  url: mysql://a/b\nredis:\n  url: here\n';
  expect(problemsOf(text)).toEqual([
    '4:7 kafka.brokers.1 | a broker is host:port | ',
    '6:8 postgres.url | expected embedded, postgres://…, postgresql://… | ',
    '8:8 redis.url | expected embedded, redis://…, rediss://… | ',
  ]);
});

test('names that no topic could carry are refused', () => {
  expect(problemsOf('sources:\n  My Shop:\n    connector: http\n    entities: {}\n')).toEqual([
    '2:3 sources.My Shop | a name is lower-case letters, digits, - and _, and begins with a letter or digit | ',
  ]);
});

test('two sources that rows could not tell apart are refused', () => {
  expect(
    problemsOf('sources:\n  shop-a: { connector: http, entities: {} }\n  shop_a: { connector: http, entities: {} }\n'),
  ).toEqual([
    '3:3 sources.shop_a.type | the sources `shop-a` and `shop_a` have one type, SHOP_A: rows could not tell them apart | ',
  ]);
});

test('a source may not pose as the resolved truth', () => {
  expect(problemsOf('sources:\n  golden: { connector: http, entities: {} }\n')).toEqual([
    '2:3 sources.golden.type | GOLDEN is the type of resolved records: choose another | ',
  ]);
});

test('kinds whose topics Kafka would not tell apart are refused', () => {
  const text =
    'sources:\n  a:\n    connector: http\n    entities: { b_c: {} }\n  a_b:\n    connector: http\n    entities: { c: {} }\n';
  expect(problemsOf(text)).toEqual(['7:17 sources.a_b.entities.c | its topic would collide with that of `a.b_c`: rename one | ']);
});

test('a key that a record might lack is refused', () => {
  const text = `
sources:
  shop:
    connector: http
    entities:
      users:
        key: [email, id]
        schema: { fields: { email: { type: email }, id: { type: integer, required: true } } }
`;
  expect(problemsOf(text)).toEqual([
    '7:9 sources.shop.entities.users.key | the key field `email` must be declared in the schema with `required: true` | ',
  ]);
});

test('parts that do not go together are refused', () => {
  const text =
    'serialization: avro\nkafka:\n  replicationFactor: 3\nretry:\n  delayMs: 1m\n  delayMsMax: 1s\ndemo:\n  enabled: true\n  source: shop\n';
  expect(problemsOf(text)).toEqual([
    '1:1 schemaRegistry.url | `serialization: avro` needs a schema registry: embedded, or its address | ',
    '3:22 kafka.replicationFactor | the embedded broker is a single one: only 1 copy is possible | ',
    '6:15 retry.delayMsMax | the longest wait is shorter than the first (`delayMs`) | ',
    '9:11 demo.source | the demo plays the source `shop`, which is not configured | ',
  ]);
});

test('the production profile refuses demo, anonymous ingest, and secrets that everybody knows', () => {
  const text = `
profile: production
postgres:
  url: postgres://syncline:changeme@db.example.com/sync
demo:
  enabled: true
sources:
  shop: { connector: http, entities: {} }
`;
  const problems = problemsOf(text);
  expect(problems).toHaveLength(4);
  expect(problems.join('\n')).toMatch(
    /api\.anonymousIngest .*\n.*secretKey .*SECRET_KEY.*\n4:8 postgres\.url .*change it.*\n6:12 demo\.enabled /s,
  );
});

test('the production profile is met by the environment and one line', () => {
  const text = 'profile: production\nsecretKey: "${SECRET_KEY}"\napi:\n  anonymousIngest: never\n';
  expect(loadConfig(write(text), { SECRET_KEY: 'x'.repeat(32) }).profile).toBe('production');
});

test('a variable that is not set is named with the line that wants it', () => {
  const error = refusalOf('postgres:\n  url: ${DATABASE_URL}\nsecretKey: "${SECRET_KEY}"\n', { SECRET_KEY: '' });
  expect(error.code).toBe('config.env-missing');
  expect(error.message.split('\n').map((line) => line.replace(/^.*?:(?=\d)/, ''))).toEqual([
    '2:8  the environment variable DATABASE_URL is not set (set it, or give a default: ${DATABASE_URL:-…})',
    '3:12  the environment variable SECRET_KEY is not set (set it, or give a default: ${SECRET_KEY:-…})',
  ]);
});

test('a reference that is none is refused, and $${ is meant literally', () => {
  expect(problemsOf('dataDir: ${DATA DIR}\n')).toEqual([
    '1:10  | ${DATA DIR} is no reference | write ${NAME}, ${NAME:-default}, or $${ for the characters themselves',
  ]);
  expect(loadConfig(write('dataDir: a$${b}\n'), {}).dataDir).toBe('a${b}');
});

test('a quoted reference stays text, a bare one becomes what it looks like', () => {
  const config = loadConfig(write('dataDir: "${NUMBER}"\napi: \n  port: ${NUMBER}\n'), { NUMBER: '4000' });
  expect([config.dataDir, config.api.port]).toEqual(['4000', 4000]);
});

test('everything that is wrong is said at once, in the order of the file', () => {
  const text = 'topicPrefix: "a b"\nkafka:\n  partitions: 0\n  brokes: x\nredis:\n  url: ${REDIS}\nretry:\n  attemptsMax: -1\n';
  expect(problemsOf(text)).toEqual([
    '1:14 topicPrefix | a topic prefix is letters, digits, ., _ and - | ',
    '3:15 kafka.partitions | expected at least 1 | ',
    '4:3 kafka.brokes | there is no such setting | did you mean `brokers`?',
    '6:8  | the environment variable REDIS is not set | set it, or give a default: ${REDIS:-…}',
    '8:16 retry.attemptsMax | expected at least 0 | ',
  ]);
});

test('secrets do not appear in what is said about them', () => {
  const { message } = refusalOf('profile: production\nsecretKey: s3cr3t\npostgres:\n  url: postgres://u:hunter2:x@[/\n');
  expect(message).not.toMatch(/s3cr3t|hunter2/);
});

test('an anchor is followed to where it points', () => {
  const text = 'sources:\n  a: &shop\n    connector: http\n    entities: { users: { key: 7 } }\n  b: *shop\n';
  expect(problemsOf(text)).toContain('4:31 sources.a.entities.users.key | expected a field, or a list of fields | ');
});

test('the logging configuration that comes with the product is accepted', () => {
  expect(loadLogging('config/logging.yml', {})).toEqual({
    level: 'info',
    format: 'json',
    destination: 'stderr',
    roles: {},
    files: { bytesMax: 10_000_000, filesKept: 4 },
  });
  expect(() => loadLogging(write('level: loud\nroles: { API: info }\n'), {})).toThrow(
    /level: expected one of error.*\n.*roles\.API: a role is/,
  );
});

test('a rule that cannot be compiled is named where it stands', () => {
  const text = `
sources:
  shop:
    connector: http
    entities:
      users:
        mapping:
          fields:
            name: { from: name, do: [{ parseDate: "no pattern %%" }] }
        compare: { fields: [nme] }
      orders:
        mapping: { fields: { id: orderId } }
        compare: { fields: [ids] }
`;
  const problems = problemsOf(text);
  expect(problems[0]).toMatch(/^9:\d+ sources\.shop\.entities\.users\.mapping\.fields\.name/);
  expect(problems[1]).toMatch(/^13:\d+ sources\.shop\.entities\.orders\.compare \| compare\.fields names "ids"/);
  expect(problems).toHaveLength(2);
});
