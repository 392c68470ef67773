import type { Registry } from 'prom-client';
import { rowMetrics } from './metric-catalogue.ts';
import { type MetricSnapshot, type MetricValue, type MetricValues, snapshotOf } from './metrics.ts';

/** A row of `sync_metrics`. */
export interface MetricRow {
  readonly name: string;
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

const quantiles: readonly (readonly [string, number])[] = [
  ['p50', 0.5],
  ['p99', 0.99],
];

/** What one process adds to `sync_metrics` now. */
export async function metricRows(registry: Registry): Promise<MetricRow[]> {
  return rowsOf(await snapshotOf(registry));
}

/** Counters and gauges as they stand; of a histogram count, sum, median and 99th percentile. */
export function rowsOf(snapshot: MetricSnapshot, names: readonly string[] = rowMetrics): MetricRow[] {
  return snapshot
    .filter(({ name }) => names.includes(name))
    .flatMap((metric) =>
      metric.type === 'histogram' ? histogramRows(metric) : metric.values.map((value) => rowOf(metric.name, value)),
    );
}

function rowOf(name: string, { value, labels }: MetricValue): MetricRow {
  const texts = Object.entries(labels).map(([label, text]) => [label, String(text)]);
  return { name, value, labels: Object.fromEntries(texts) };
}

function histogramRows({ name, values }: MetricValues): MetricRow[] {
  const rows: MetricRow[] = [];
  const bucketsOf = Map.groupBy(
    values.filter(({ metricName }) => metricName === `${name}_bucket`),
    ({ labels: { le: _, ...others } }) => JSON.stringify(others),
  );
  for (const value of values) {
    if (value.metricName === `${name}_count` || value.metricName === `${name}_sum`) rows.push(rowOf(value.metricName, value));
    if (value.metricName !== `${name}_count` || value.value === 0) continue;
    const buckets = bucketsOf.get(JSON.stringify(value.labels)) ?? [];
    for (const [suffix, quantile] of quantiles) {
      rows.push(rowOf(`${name}_${suffix}`, { ...value, value: quantileOf(buckets, quantile * value.value) }));
    }
  }
  return rows;
}

/** The value below which `rank` observations lie, evenly spread within their bucket, as Prometheus estimates it. */
function quantileOf(buckets: readonly MetricValue[], rank: number): number {
  let lower = { le: 0, count: 0 };
  for (const { value: count, labels } of buckets) {
    const le = Number(labels.le === '+Inf' ? Number.POSITIVE_INFINITY : labels.le);
    if (count >= rank) {
      if (!Number.isFinite(le)) return lower.le;
      return lower.le + ((le - lower.le) * (rank - lower.count)) / Math.max(1, count - lower.count);
    }
    lower = { le, count };
  }
  return lower.le;
}
