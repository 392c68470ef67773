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

/** Asked for like this, because `import` evaluates all that a module could export: here clients of 12 MB that nobody uses. */
const http = process.getBuiltinModule('node:http');

async function snapshotAt(address: unknown): Promise<MetricSnapshot | null> {
  if (typeof address !== 'string') return null;
  try {
    return JSON.parse(await textAt(`${address}.json`)) as MetricSnapshot;
  } catch {
    return null;
  }
}

function textAt(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { signal: AbortSignal.timeout(answerMsMax), agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.once('end', () => resolve(text));
      answer.once('error', reject);
    });
    request.once('error', reject);
  });
}
