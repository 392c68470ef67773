import type { AddressInfo } from 'node:net';
import { reasonOf } from '../../core/errors.ts';
import type { Metrics } from '../../monitoring/metrics.ts';

export interface MetricsEndpoint {
  readonly url: string;
  close(): void;
}

/** Asked for like this, because `import` evaluates all that a module could export: here clients of 12 MB that nobody uses. */
const { createServer } = process.getBuiltinModule('node:http');

/** Each process shows its own figures; the API adds them up. Loopback only. */
export async function openMetricsEndpoint(metrics: Metrics): Promise<MetricsEndpoint> {
  const server = createServer((request, response) => {
    const json = request.url === '/metrics.json';
    const body = json ? metrics.registry.getMetricsAsJSON().then(JSON.stringify) : metrics.registry.metrics();
    body.then(
      (text) => response.writeHead(200, { 'content-type': json ? 'application/json' : metrics.registry.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(reasonOf(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/metrics`, close: () => server.close() };
}
