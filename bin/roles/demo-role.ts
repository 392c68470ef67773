import { createDemoShop } from '../../connectors/demo/demo-shop.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';

/** Plays the demo shop against the API of this installation, which takes ingest from this machine. */
export async function startDemo(context: RoleContext): Promise<RunningRole> {
  const { config, clock, signal, logger } = context;
  const host = ['0.0.0.0', '::'].includes(config.api.host) ? '127.0.0.1' : config.api.host;
  const shop = createDemoShop({
    baseUrl: `http://${host.includes(':') ? `[${host}]` : host}:${process.env.SYNCLINE_API_PORT ?? config.api.port}`,
    eventsPerSecond: config.demo.eventsPerSecond,
    seed: Date.now(),
    clock,
    signal,
    source: config.demo.source,
    report: ({ kind, reason }) => logger[kind === 'reachable' ? 'info' : 'warn'](`demo shop: ${kind}`, { reason }),
  });
  return {
    failed: new Promise<never>(() => undefined),
    details: () => ({ accepted: shop.accepted }),
    stop: () => shop.done,
  };
}
