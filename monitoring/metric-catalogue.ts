/**
 * Every metric of ours, by name. `docs/reference/metrics.md` is generated from this table; dashboards and alert rules
 * may use these names and no others. Names end in their unit, counters in `_total`.
 */
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** How values of several processes become one: what each has its share of is summed, what each sees whole is not. */
export type MetricAggregation = 'sum' | 'max' | 'min';

interface MetricDeclaration {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
  readonly aggregation: MetricAggregation;
  /** Also kept as rows of `sync_metrics`, for whoever asks PostgreSQL instead of Prometheus. */
  readonly rows: boolean;
}

const batchSizes = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000] as const;
const batchSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const latencySeconds = [0.005, 0.01, 0.025, 0.05, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600] as const;
const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export const metricCatalogue = {
  syncline_events_in_total: {
    type: 'counter',
    help: 'Records a stage took in.',
    labels: ['stage', 'source'],
    aggregation: 'sum',
    rows: true,
  },
  syncline_events_out_total: {
    type: 'counter',
    help: 'Records a stage was done with, by what became of them.',
    labels: ['stage', 'source', 'outcome'],
    aggregation: 'sum',
    rows: true,
  },
  syncline_batch_records: {
    type: 'histogram',
    help: 'Records in a batch.',
    labels: ['stage'],
    buckets: batchSizes,
    aggregation: 'sum',
    rows: false,
  },
  syncline_batch_duration_seconds: {
    type: 'histogram',
    help: 'Time a stage spent on a batch.',
    labels: ['stage'],
    buckets: batchSeconds,
    aggregation: 'sum',
    rows: false,
  },
  syncline_latency_seconds: {
    type: 'histogram',
    help: 'Time from the raw topic’s broker to the committed tables; sampled in large batches.',
    labels: ['source'],
    buckets: latencySeconds,
    aggregation: 'sum',
    rows: true,
  },
  syncline_consumer_lag_records: {
    type: 'gauge',
    help: 'Records of a partition that wait for a stage: the length of its queue.',
    labels: ['stage', 'topic', 'partition'],
    aggregation: 'max',
    rows: true,
  },
  syncline_partitions_owned: {
    type: 'gauge',
    help: 'Partitions a stage works on.',
    labels: ['stage'],
    aggregation: 'sum',
    rows: false,
  },
  syncline_errors_total: {
    type: 'counter',
    help: 'Failures by code: of whole batches, which are tried again, and of single records, which become dead letters.',
    labels: ['stage', 'code'],
    aggregation: 'sum',
    rows: true,
  },
  syncline_dead_letters_total: {
    type: 'counter',
    help: 'Records that became dead letters.',
    labels: ['stage', 'source', 'code'],
    aggregation: 'sum',
    rows: true,
  },
  syncline_dead_letters_open: {
    type: 'gauge',
    help: 'Dead letters that wait, for another attempt or for a human.',
    labels: ['status'],
    aggregation: 'max',
    rows: true,
  },
  syncline_target_held_back: {
    type: 'gauge',
    help: '1 where a target is paused by its guard or left alone because it fails, 0 where it is written to.',
    labels: ['target'],
    aggregation: 'max',
    rows: true,
  },
  syncline_target_letters_open: {
    type: 'gauge',
    help: 'Records that a target refused, waiting for somebody or for another attempt.',
    labels: ['target', 'status'],
    aggregation: 'max',
    rows: true,
  },
  syncline_differences_entities: {
    type: 'gauge',
    help: 'Entities that two compared sources hold differently: `only_left`, `only_right` or `differs`.',
    labels: ['left', 'right', 'entity_kind', 'difference'],
    aggregation: 'max',
    rows: true,
  },
  syncline_verified_through_seconds: {
    type: 'gauge',
    help: 'Up to when a system was found equal to our states, in seconds since 1970; 0 where it was verified and never found equal.',
    labels: ['system', 'entity_kind'],
    aggregation: 'max',
    rows: true,
  },
  syncline_verification_findings: {
    type: 'gauge',
    help: 'What the last verification of a system found to differ.',
    labels: ['system', 'entity_kind'],
    aggregation: 'max',
    rows: true,
  },
  syncline_state_cache_reads_total: {
    type: 'counter',
    help: 'States asked of the cache: hit where an entry could be trusted, miss where not.',
    labels: ['result'],
    aggregation: 'sum',
    rows: true,
  },
  syncline_state_cache_eras_total: {
    type: 'counter',
    help: 'How often entries of the cache could not be trusted and a partition began anew.',
    labels: [],
    aggregation: 'sum',
    rows: false,
  },
  syncline_source_stream_running: {
    type: 'gauge',
    help: '1 where a process reads the stream of a source, 0 where it rests because of an error or is read elsewhere.',
    labels: ['source', 'stream'],
    aggregation: 'max',
    rows: false,
  },
  syncline_part_available: {
    type: 'gauge',
    help: '1 where a part of the world (kafka, postgres, redis…) answers, 0 where not.',
    labels: ['part'],
    aggregation: 'min',
    rows: false,
  },
  syncline_accounting_records: {
    type: 'gauge',
    help: 'Raw records since the beginning by outcome, with `received` and `in-flight`.',
    labels: ['outcome'],
    aggregation: 'max',
    rows: true,
  },
  syncline_accounting_imbalance_records: {
    type: 'gauge',
    help: 'Received minus all outcomes minus in flight: anything but 0 at rest is a loss or a repeat.',
    labels: [],
    aggregation: 'max',
    rows: true,
  },
  syncline_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Time to answer an HTTP request.',
    labels: ['route', 'method', 'status'],
    buckets: requestSeconds,
    aggregation: 'sum',
    rows: false,
  },
} as const satisfies Record<string, MetricDeclaration>;

export type MetricName = keyof typeof metricCatalogue;
export type MetricNameOf<T extends MetricType> = {
  [Name in MetricName]: (typeof metricCatalogue)[Name]['type'] extends T ? Name : never;
}[MetricName];
export type LabelOf<Name extends MetricName> = (typeof metricCatalogue)[Name]['labels'][number];

/** The names kept as rows of `sync_metrics`. */
export const rowMetrics: readonly string[] = Object.entries(metricCatalogue)
  .filter(([, { rows }]) => rows)
  .map(([name]) => name);
