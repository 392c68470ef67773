import { expect, test } from 'vitest';
import { pollingFrom } from './environment.ts';

const polling = { intervalMs: 10_000, batchRecordsMax: 1_000 };

test('SYNC_INTERVAL and BATCH_SIZE stand in for what the source does not say, and that for what all sources have', () => {
  expect(pollingFrom({}, polling, {})).toEqual(polling);
  expect(pollingFrom({}, polling, { SYNC_INTERVAL: '', BATCH_SIZE: ' ' })).toEqual(polling);
  const environment = { SYNC_INTERVAL: '30s', BATCH_SIZE: '250' };
  expect(pollingFrom({}, polling, environment)).toEqual({ intervalMs: 30_000, batchRecordsMax: 250 });
  expect(pollingFrom({}, polling, { SYNC_INTERVAL: '5000' })).toEqual({ intervalMs: 5_000, batchRecordsMax: 1_000 });
  expect(pollingFrom({ every: 1_000, batchRows: 10 }, polling, environment)).toEqual({ intervalMs: 1_000, batchRecordsMax: 10 });
});

test.each([
  ['SYNC_INTERVAL', 'often'],
  ['SYNC_INTERVAL', '5'],
  ['SYNC_INTERVAL', '-1s'],
  ['BATCH_SIZE', '0'],
  ['BATCH_SIZE', '1.5'],
  ['BATCH_SIZE', 'all'],
])('a variable that makes no sense is named: %s=%s', (name, value) => {
  expect(() => pollingFrom({}, polling, { [name]: value })).toThrow(
    expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining(`${name} is "${value}"`) }),
  );
});

test('a variable that the source does not need is not looked at', () => {
  expect(pollingFrom({ every: 1_000, batchRows: 5 }, polling, { SYNC_INTERVAL: 'x', BATCH_SIZE: 'x' })).toEqual({
    intervalMs: 1_000,
    batchRecordsMax: 5,
  });
});
