import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { configSchema } from '../../core/config/config.ts';
import { loggingSchema } from '../../core/config/logging.ts';
import { SyncError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports/logger.ts';
import { createLogger } from './logger.ts';
import { secretsOf } from './redaction.ts';

function logged(settings: object, speak: (logger: Logger) => void, secrets: readonly string[] = []): string[] {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  speak(createLogger({ config: loggingSchema.parse(settings), role: 'processor', secrets, stream }));
  return text.split('\n').filter((line) => line !== '');
}

function entriesOf(speak: (logger: Logger) => void, secrets: readonly string[] = []): Record<string, unknown>[] {
  return logged({}, speak, secrets).map((line) => JSON.parse(line));
}

test('a line is one JSON object with time, level, role, message and what was bound before', () => {
  const [entry] = entriesOf((logger) =>
    logger.with({ correlationId: 'c-1' }).info('moved', { topic: 'source.shop.users', offset: 7n }),
  );
  expect(entry).toEqual({
    timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    level: 'info',
    role: 'processor',
    message: 'moved',
    correlationId: 'c-1',
    topic: 'source.shop.users',
    offset: '7',
  });
});

test('fields cannot pose as what every line has', () => {
  const [entry] = entriesOf((logger) => logger.warn('real', { message: 'false', level: 'error', timestamp: 0 }));
  expect(entry).toMatchObject({ message: 'real', level: 'warn', timestamp: expect.stringMatching(/Z$/) });
});

test('lines below the level are left out, and a role may have a level of its own', () => {
  const speak = (logger: Logger): void => {
    logger.debug('quiet');
    logger.error('loud');
  };
  expect(logged({}, speak)).toHaveLength(1);
  expect(logged({ roles: { processor: 'debug' } }, speak)).toHaveLength(2);
});

test('passwords in addresses, credentials in headers and fields named like secrets are hidden', () => {
  const [entry] = entriesOf((logger) =>
    logger.error('no answer from postgres://ada:hunter2@db/sync', {
      url: 'rediss://:hunter2@cache:6380',
      headers: { Authorization: 'Bearer abcdefghijkl', accept: 'json' },
      reason: 'sent Bearer abcdefghijkl',
      settings: [{ secretKey: 'abc', password: 'def', key: 'SKU-1' }],
    }),
  );
  expect(entry).toMatchObject({
    message: 'no answer from postgres://ada:***@db/sync',
    url: 'rediss://:***@cache:6380',
    headers: { Authorization: '***', accept: 'json' },
    reason: 'sent Bearer ***',
    settings: [{ secretKey: '***', password: '***', key: 'SKU-1' }],
  });
});

test('the secrets of the configuration are hidden wherever they stand', () => {
  const config = configSchema.parse({
    secretKey: 'very-secret-key',
    postgres: { url: 'postgres://ada:p%40ssword@db/sync' },
    sources: { erp: { connector: 'some', url: 'some://ada:lovelace@erp/db', password: 'masterkey', entities: {} } },
  });
  const [entry] = entriesOf(
    (logger) => logger.warn('said very-secret-key and p@ssword', { note: 'p%40ssword', erp: 'lovelace or masterkey' }),
    secretsOf(config),
  );
  expect(entry).toMatchObject({ message: 'said *** and ***', note: '***', erp: '*** or ***' });
});

test('a failure of the world is logged with code, details and cause; one of ours with its stack', () => {
  const [known, ours] = entriesOf((logger) => {
    logger.warn('waits', {
      error: new SyncError('kafka.unavailable', 'no answer', { cause: new Error('refused'), details: { tries: 2 } }),
    });
    logger.error('broken', { error: new TypeError('undefined is not a function') });
  });
  expect(known?.error).toEqual({
    name: 'SyncError',
    code: 'kafka.unavailable',
    message: 'no answer',
    details: { tries: 2 },
    cause: expect.objectContaining({ message: 'refused' }),
  });
  expect(ours?.error).toMatchObject({ name: 'TypeError', stack: expect.stringContaining('logger.test.ts') });
});

test('a structure that holds itself is cut short', () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  expect(entriesOf((logger) => logger.info('loop', { loop }))).toHaveLength(1);
});

test('lines for reading along fit on one line', () => {
  const [line] = logged({ format: 'pretty' }, (logger) => logger.info('moved', { topic: 'a', counts: { in: 1 }, nothing: null }));
  expect(line).toMatch(/^[\d:.]{12} info {2}processor {4}moved topic=a counts={"in":1}$/);
});
