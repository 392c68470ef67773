import { expect, test } from 'vitest';
import { SyncError } from '../core/errors.ts';
import type { LogFields, Logger } from '../core/ports/logger.ts';
import { createFigures } from './figures.ts';
import { metricCatalogue } from './metric-catalogue.ts';
import { metricRows, rowsOf } from './metric-rows.ts';
import { createMetrics, expositionOf, snapshotOf } from './metrics.ts';
import { createTelemetry } from './telemetry.ts';

function watched(role = 'processor') {
  const lines: [string, string, LogFields | undefined][] = [];
  const say = (level: string) => (message: string, fields?: LogFields) => void lines.push([level, message, fields]);
  const logger: Logger = { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug'), with: () => logger };
  const metrics = createMetrics(role);
  const snapshot = () => snapshotOf(metrics.registry);
  const time = { nowMs: 0 };
  const telemetry = createTelemetry({ metrics, logger, clock: { nowMs: () => time.nowMs } });
  /** `name{labels}` -> value, without the role and without what the process itself reports. */
  const values = async () => {
    const rows = rowsOf(await snapshot(), Object.keys(metricCatalogue));
    return Object.fromEntries(
      rows.map(({ name, value, labels: { role: _, ...labels } }) => {
        const shown = Object.values(labels).join(',');
        return [shown === '' ? name : `${name}{${shown}}`, value];
      }),
    );
  };
  return { lines, metrics, snapshot, telemetry, time, values };
}

const partition = { stage: 'processor', topic: 'source.shop.users', partition: 1 } as const;

test('what the stages say is counted under the names of the catalogue', async () => {
  const { telemetry, values, lines } = watched();
  telemetry.recordsIn({ stage: 'processor', source: 'shop', records: 10 });
  telemetry.recordsOut({ stage: 'processor', source: 'shop', outcome: 'unchanged', records: 7 });
  telemetry.recordsOut({ stage: 'processor', source: 'shop', outcome: 'forwarded', records: 3 });
  telemetry.batchFinished({ ...partition, records: 10, durationMs: 20, lag: 5 });
  telemetry.latencyObserved({ source: 'shop', latencyMs: 40 });
  telemetry.cacheRead({ hits: 7, misses: 3 });
  expect(await values()).toMatchObject({
    'syncline_events_in_total{processor,shop}': 10,
    'syncline_events_out_total{processor,shop,unchanged}': 7,
    'syncline_events_out_total{processor,shop,forwarded}': 3,
    'syncline_batch_records_sum{processor}': 10,
    'syncline_batch_duration_seconds_sum{processor}': 0.02,
    'syncline_consumer_lag_records{processor,source.shop.users,1}': 5,
    'syncline_latency_seconds_sum{shop}': 0.04,
    'syncline_state_cache_reads_total{hit}': 7,
    'syncline_state_cache_reads_total{miss}': 3,
  });
  expect(lines).toEqual([]);
});

test('a partition that was lost reports no lag any more', async () => {
  const { telemetry, values } = watched();
  telemetry.partitionAcquired({ ...partition, token: 1, nextOffset: 0 });
  telemetry.partitionAcquired({ ...partition, token: 2, nextOffset: 0 });
  telemetry.batchFinished({ ...partition, records: 1, durationMs: 1, lag: 99 });
  expect(await values()).toMatchObject({ 'syncline_partitions_owned{processor}': 1 });
  telemetry.partitionLost(partition);
  const left = await values();
  expect(left).toMatchObject({ 'syncline_partitions_owned{processor}': 0 });
  expect(Object.keys(left).filter((name) => name.includes('lag'))).toEqual([]);
});

test('a flood of dead letters is counted in full and logged now and then', async () => {
  const { telemetry, time, lines, values } = watched();
  const letter = {
    stage: 'processor',
    source: 'shop',
    code: 'record.malformed',
    reason: 'no JSON',
    correlationId: null,
    key: 'k',
  } as const;
  for (let sent = 0; sent < 1_000; sent++) telemetry.deadLettered(letter);
  time.nowMs = 10_000;
  telemetry.deadLettered(letter);
  expect(lines.map(([level, , fields]) => [level, fields?.records])).toEqual([
    ['error', 1],
    ['error', 1_000],
  ]);
  expect(await values()).toMatchObject({
    'syncline_dead_letters_total{processor,shop,record.malformed}': 1_001,
    'syncline_errors_total{processor,record.malformed}': 1_001,
  });
});

test('a failed batch is counted by the code of its error', async () => {
  const { telemetry, values, lines } = watched();
  telemetry.batchFailed({ ...partition, error: new SyncError('redis.unavailable', 'no answer'), retryInMs: 100 });
  telemetry.batchFailed({ ...partition, error: new TypeError('ours'), retryInMs: 100 });
  expect(await values()).toMatchObject({
    'syncline_errors_total{processor,redis.unavailable}': 1,
    'syncline_errors_total{processor,internal}': 1,
  });
  expect(lines.map(([level]) => level)).toEqual(['warn', 'warn']);
});

test('an outage is logged when it begins and when it ends', async () => {
  const { telemetry, values, lines } = watched();
  for (const available of [true, false, false, false, true, true]) telemetry.partAvailability({ part: 'redis', available });
  expect(lines.map(([level, message]) => [level, message])).toEqual([
    ['warn', 'redis does not answer'],
    ['info', 'redis answers again'],
  ]);
  expect(await values()).toMatchObject({ 'syncline_part_available{redis}': 1 });
});

test('the accounting shows what is in no outcome', async () => {
  const { metrics, values } = watched();
  createFigures(metrics).accounting({ received: 10, inFlight: 2, outcomes: { applied: 4, unchanged: 3 } });
  expect(await values()).toMatchObject({
    'syncline_accounting_records{received}': 10,
    'syncline_accounting_records{in-flight}': 2,
    'syncline_accounting_records{applied}': 4,
    syncline_accounting_imbalance_records: 1,
  });
});

test('a status without dead letters is shown no longer', async () => {
  const { metrics, values } = watched();
  const figures = createFigures(metrics);
  figures.deadLettersOpen({ parked: 2, waiting: 1 });
  figures.deadLettersOpen({ parked: 1 });
  const shown = Object.entries(await values()).filter(([name]) => name.startsWith('syncline_dead_letters_open'));
  expect(shown).toEqual([['syncline_dead_letters_open{parked}', 1]]);
});

test('several processes are exposed as one, shares added and figures seen whole not', async () => {
  const [one, other] = [watched('processor'), watched('processor')];
  for (const { metrics, telemetry } of [one, other]) {
    telemetry.recordsIn({ stage: 'processor', source: 'shop', records: 5 });
    createFigures(metrics).deadLettersOpen({ parked: 3 });
    createFigures(metrics).requestAnswered({ route: '/health', method: 'GET', status: 200, durationMs: 2 });
  }
  const { text } = await expositionOf([await one.snapshot(), await other.snapshot()]);
  expect(text).toContain('syncline_events_in_total{stage="processor",source="shop",role="processor"} 10');
  expect(text).toContain('syncline_dead_letters_open{status="parked",role="processor"} 3');
  expect(text).toContain('process_cpu_seconds_total{role="processor"}');
  expect(text).toMatch(/syncline_http_request_duration_seconds_count\{.*route="\/health".*\} 2/);
});

test('rows of a histogram tell its quantiles', async () => {
  const { metrics, telemetry } = watched();
  for (let sent = 0; sent < 100; sent++) telemetry.latencyObserved({ source: 'shop', latencyMs: sent < 98 ? 20 : 400 });
  const rows = (await metricRows(metrics.registry)).filter(({ name }) => name.startsWith('syncline_latency'));
  const [count, p50, p99] = ['count', 'p50', 'p99'].map((suffix) => rows.find(({ name }) => name.endsWith(suffix)));
  expect(count).toEqual({
    name: 'syncline_latency_seconds_count',
    value: 100,
    labels: { source: 'shop', role: 'processor' },
  });
  expect(p50?.value).toBeGreaterThan(0.01);
  expect(p50?.value).toBeLessThanOrEqual(0.025);
  expect(p99?.value).toBeGreaterThan(0.25);
  expect(p99?.value).toBeLessThanOrEqual(0.5);
});

test('names follow the rules dashboards rely on', () => {
  for (const [name, { type, labels }] of Object.entries(metricCatalogue)) {
    expect(name).toMatch(/^syncline_[a-z_]+$/);
    expect(name.length).toBeLessThanOrEqual(90);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    expect(labels).not.toContain('role');
  }
});
