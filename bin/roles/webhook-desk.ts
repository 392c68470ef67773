import { createWebhookStore } from '../../adapters/postgres/webhook-store.ts';
import { jitter } from '../../adapters/process/jitter.ts';
import { asksWebhooks, WebhookResolver } from '../../sync-manager/webhook-resolver.ts';
import { openAnswerSender } from './answer-desk.ts';
import { conflictPolicies } from './conflict-policies.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';

/** Asks the webhooks of open conflicts. */
export async function startWebhookDesk(context: RoleContext): Promise<Pick<RunningRole, 'failed' | 'stop'>> {
  const { config, pool, clock, logger } = context;
  const policies = new Map([...conflictPolicies(config)].map(([kind, { policy }]) => [kind, policy]));
  if (![...policies.values()].some(asksWebhooks))
    return { failed: new Promise<never>(() => undefined), stop: async () => undefined };
  const resolver = new WebhookResolver({
    store: createWebhookStore(pool),
    answers: await openAnswerSender(context),
    policies,
    clock,
    logger,
    jitter,
  });
  const stopping = new AbortController();
  const running = resolver.run(stopping.signal);
  return {
    failed: running.then(() => new Promise<never>(() => undefined)),
    async stop() {
      stopping.abort(new Error('stopped'));
      await running;
    },
  };
}
