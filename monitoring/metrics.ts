import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type LabelOf, type MetricName, type MetricNameOf, metricCatalogue } from './metric-catalogue.ts';

/** Every metric of the catalogue, and with them those of the process itself. */
export interface Metrics {
  readonly registry: Registry;
  counter<N extends MetricNameOf<'counter'>>(name: N): Counter<LabelOf<N>>;
  gauge<N extends MetricNameOf<'gauge'>>(name: N): Gauge<LabelOf<N>>;
  histogram<N extends MetricNameOf<'histogram'>>(name: N): Histogram<LabelOf<N>>;
}

/** Made once per process. Everything it shows carries the label `role`. */
export function createMetrics(role: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry });
  const metrics = new Map<MetricName, unknown>();
  for (const name of Object.keys(metricCatalogue) as MetricName[]) metrics.set(name, metricOf(name, registry));
  return {
    registry,
    counter: <N extends MetricName>(name: N) => metrics.get(name) as Counter<LabelOf<N>>,
    gauge: <N extends MetricName>(name: N) => metrics.get(name) as Gauge<LabelOf<N>>,
    histogram: <N extends MetricName>(name: N) => metrics.get(name) as Histogram<LabelOf<N>>,
  };
}

function metricOf(name: MetricName, registry: Registry): unknown {
  const declaration = metricCatalogue[name];
  const { help, labels, aggregation } = declaration;
  const options = { name, help, labelNames: [...labels], registers: [registry], aggregator: aggregation };
  switch (declaration.type) {
    case 'counter':
      return new Counter(options);
    case 'gauge':
      return new Gauge(options);
    case 'histogram':
      return new Histogram({ ...options, buckets: [...declaration.buckets] });
  }
}

/** A registry's values at one moment, as `getMetricsAsJSON` tells them: JSON that one process hands to another. */
export type MetricSnapshot = readonly MetricValues[];

export interface MetricValues {
  readonly name: string;
  readonly type: string;
  readonly values: readonly MetricValue[];
}

export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Of a histogram: `…_bucket`, `…_sum` or `…_count`. */
  readonly metricName?: string;
}

export async function snapshotOf(registry: Registry): Promise<MetricSnapshot> {
  return (await registry.getMetricsAsJSON()) as unknown as MetricSnapshot;
}

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/** What `GET /metrics` answers for any number of processes. */
export async function expositionOf(snapshots: readonly MetricSnapshot[]): Promise<Exposition> {
  const merged = AggregatorRegistry.aggregate(snapshots as unknown as object[]);
  return { contentType: Registry.PROMETHEUS_CONTENT_TYPE, text: await merged.metrics() };
}
