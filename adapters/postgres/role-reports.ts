import type pg from 'pg';

export type RoleState = 'starting' | 'running' | 'waiting' | 'failed' | 'stopped';

export interface RoleReport {
  readonly role: string;
  readonly instance: string;
  readonly state: RoleState;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface MetricRow {
  readonly name: string;
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

/** A process that has not reported for this long is gone. */
const forgetReportsAfter = '1 hour';

/** What running processes leave in PostgreSQL for others to see. */
export interface ReportStore {
  report(report: RoleReport): Promise<void>;
  addMetrics(rows: readonly MetricRow[]): Promise<void>;
  /** Removes figures older than the given number of days, and reports of processes long gone. */
  prune(metricDays: number): Promise<void>;
}

export function createReportStore(pool: pg.Pool): ReportStore {
  return {
    async report({ role, instance, state, details }) {
      await pool.query(
        `INSERT INTO role_reports (role, instance, state, details, reported_at) VALUES ($1, $2, $3, $4, now())
         ON CONFLICT (role, instance) DO UPDATE SET state = excluded.state, details = excluded.details, reported_at = excluded.reported_at`,
        [role, instance, state, JSON.stringify(details)],
      );
    },

    async addMetrics(rows) {
      if (rows.length === 0) return;
      await pool.query(
        `INSERT INTO sync_metrics (metric_name, metric_value, labels)
         SELECT n, v, l FROM jsonb_to_recordset($1::jsonb) AS r(n text, v float, l jsonb)`,
        [JSON.stringify(rows.map((row) => ({ n: row.name, v: row.value, l: row.labels })))],
      );
    },

    async prune(metricDays) {
      await pool.query(`DELETE FROM sync_metrics WHERE timestamp < now() - make_interval(days => $1)`, [metricDays]);
      await pool.query(`DELETE FROM role_reports WHERE reported_at < now() - interval '${forgetReportsAfter}'`);
    },
  };
}
