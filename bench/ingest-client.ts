import { Agent, request } from 'node:http';
import { z } from 'zod';

/**
 * Posts users to an API, in a process of its own: `node ingest-client.ts '{"url":…,"requests":…,"concurrency":…}'`.
 * With `perSecond` each request is due at its time and its latency counts from there, otherwise each connection sends
 * as soon as it has its answer. Prints one JSON object.
 */
const orderSchema = z.object({
  url: z.url(),
  requests: z.int().min(1).max(10_000_000),
  concurrency: z.int().min(1).max(1_000),
  perSecond: z.number().positive().nullable(),
  firstUser: z.int().min(0),
});

const requestMsMax = 10_000;
const { url, requests, concurrency, perSecond, firstUser } = orderSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
const target = new URL('/users', url);
const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
const latencies: number[] = [];
const answers = new Map<string, number>();
let next = 0;

process.on('disconnect', () => process.exit(1));
// It tells of the parent's death, and is no reason to stay.
process.channel?.unref();
const began = performance.now();
await Promise.all(Array.from({ length: concurrency }, work));
const seconds = (performance.now() - began) / 1_000;
agent.destroy();
latencies.sort((left, right) => left - right);
const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? 0;
process.stdout.write(
  `${JSON.stringify({ seconds, answers: Object.fromEntries(answers), p50: at(0.5), p99: at(0.99), max: at(1) })}\n`,
);

async function work(): Promise<void> {
  for (let user = next++; user < requests; user = next++) {
    const dueMs = perSecond === null ? performance.now() : began + (user * 1_000) / perSecond;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const answer = await post(firstUser + user).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
    latencies.push(performance.now() - dueMs);
    answers.set(String(answer), (answers.get(String(answer)) ?? 0) + 1);
  }
}

function post(user: number): Promise<number> {
  const body = JSON.stringify({ name: `User ${user}`, email: `user${user}@bench.example`, phone: `+34 ${600_000_000 + user}` });
  return new Promise((resolve, reject) => {
    const sent = request(
      target,
      { agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } },
      (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode ?? 0));
        response.once('error', reject);
      },
    );
    sent.setTimeout(requestMsMax, () => sent.destroy(new Error('timeout')));
    sent.once('error', reject);
    sent.end(body);
  });
}
