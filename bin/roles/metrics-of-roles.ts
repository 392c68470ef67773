import type { ReadStore } from '../../core/ports/read-store.ts';
import { type Exposition, expositionOf, type MetricSnapshot, type Metrics, snapshotOf } from '../../monitoring/metrics.ts';

const answerMsMax = 1_000;
const reportAgeMsMax = 10_000;

/** Our own figures and those of every process that says it is alive; one that does not answer is left out. */
export async function exposeAllRoles(own: Metrics, readStore: ReadStore): Promise<Exposition> {
  const reports = await readStore.roleReports().catch(() => []);
  const others = reports.filter((report) => report.ageMs <= reportAgeMsMax && report.details.pid !== process.pid);
  const snapshots = await Promise.all(others.map((report) => snapshotAt(report.details.metrics)));
  return expositionOf([await snapshotOf(own.registry), ...snapshots.filter((snapshot) => snapshot !== null)]);
}

async function snapshotAt(address: unknown): Promise<MetricSnapshot | null> {
  if (typeof address !== 'string') return null;
  try {
    const answer = await fetch(`${address}.json`, { signal: AbortSignal.timeout(answerMsMax) });
    return (await answer.json()) as MetricSnapshot;
  } catch {
    return null;
  }
}
