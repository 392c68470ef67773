import { CircuitBreaker, type CircuitRules } from '../core/circuit-breaker.ts';
import type { AnswerSender } from '../core/conflict/answer-sender.ts';
import { type ConflictPolicy, ruleOf, type Webhook } from '../core/conflict/policy.ts';
import { chooseByRule, decidedAtOf, openFieldsOf } from '../core/conflict/side-choice.ts';
import { reasonOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Logger } from '../core/ports/logger.ts';
import type { WaitingConflict, WebhookStore } from '../core/ports/webhook-store.ts';
import { askWebhook, type WebhookAnswer, WebhookUnreachable } from './webhook-question.ts';

export interface WebhookLimits {
  readonly questionsAtOnceMax: number;
  /** One webhook that hangs leaves room for the others. */
  readonly questionsAtOncePerUrlMax: number;
  readonly pollMs: number;
  readonly firstRetryMs: number;
  readonly retryMsMax: number;
  /** Added to the longest time a question may take. */
  readonly leaseMarginMs: number;
  readonly circuit: CircuitRules;
}

export const webhookLimits: WebhookLimits = {
  questionsAtOnceMax: 16,
  questionsAtOncePerUrlMax: 8,
  pollMs: 500,
  firstRetryMs: 1_000,
  retryMsMax: 60_000,
  leaseMarginMs: 30_000,
  circuit: { failuresMax: 5, pauseMs: 15_000, pauseMsMax: 60_000 },
};

export interface WebhookResolverDeps {
  readonly store: WebhookStore;
  readonly answers: Pick<AnswerSender, 'send'>;
  readonly policies: ReadonlyMap<string, ConflictPolicy>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly jitter: () => number;
  readonly limits?: WebhookLimits;
}

interface Line {
  readonly circuit: CircuitBreaker;
  asking: number;
}

/**
 * Asks the webhooks of open conflicts, after the commit that opened them and with no lock held. Their answers are
 * events like any other; where none comes, the policy's fallback answers in their place.
 */
export class WebhookResolver {
  readonly #deps: WebhookResolverDeps;
  readonly #limits: WebhookLimits;
  readonly #leaseMs: number;
  readonly #lines = new Map<string, Line>();

  constructor(deps: WebhookResolverDeps) {
    this.#deps = deps;
    this.#limits = deps.limits ?? webhookLimits;
    this.#leaseMs = longestTimeoutMs(deps.policies) + this.#limits.leaseMarginMs;
  }

  /** Until the signal says so; resolves when nothing is under way any more. */
  async run(signal: AbortSignal): Promise<void> {
    const { questionsAtOnceMax, pollMs } = this.#limits;
    const underWay = new Set<Promise<void>>();
    while (!signal.aborted) {
      const free = questionsAtOnceMax - underWay.size;
      const claimed = await this.#claim(free);
      for (const conflict of claimed) {
        const work = this.#settle(conflict, signal).finally(() => underWay.delete(work));
        underWay.add(work);
      }
      const pause = this.#deps.clock.sleep(pollMs, signal).catch(() => undefined);
      await (claimed.length < free ? pause : Promise.race([pause, ...underWay]));
    }
    await Promise.all(underWay);
  }

  async #claim(limit: number): Promise<readonly WaitingConflict[]> {
    if (limit === 0) return [];
    try {
      return await this.#deps.store.claim(limit, this.#leaseMs);
    } catch (error) {
      this.#deps.logger.debug(`conflicts wait for their webhooks: ${reasonOf(error)}`);
      return [];
    }
  }

  async #settle(conflict: WaitingConflict, signal: AbortSignal): Promise<void> {
    const { store, policies, logger } = this.#deps;
    const webhook = webhookOf(policies.get(conflict.kind), conflict);
    try {
      if (webhook === undefined) await store.settle(conflict.conflictId, 'the policy asks no webhook about it any more');
      else if (conflict.attempt > webhook.retries + 1) await this.#giveUp(conflict, webhook, 'it was asked often enough');
      else await this.#askOnLine(conflict, webhook, signal);
    } catch (error) {
      // The lease lets it come due again.
      logger.debug(`the conflict ${conflict.conflictId} waits: ${reasonOf(error)}`);
    }
  }

  async #askOnLine(conflict: WaitingConflict, webhook: Webhook, signal: AbortSignal): Promise<void> {
    const line = this.#lineOf(webhook.url);
    if (line.asking >= this.#limits.questionsAtOncePerUrlMax) {
      return this.#deps.store.giveBack(conflict.conflictId, this.#limits.pollMs);
    }
    if (!line.circuit.admit()) return this.#failed(conflict, webhook, 'the webhook failed again and again and is left alone');
    line.asking++;
    let answer: WebhookAnswer;
    const askedAtMs = this.#deps.clock.nowMs();
    try {
      answer = await askWebhook(webhook, conflict, askedAtMs, signal);
      line.circuit.succeeded();
    } catch (error) {
      if (signal.aborted) {
        line.circuit.abandoned();
        return await this.#deps.store.giveBack(conflict.conflictId, 0);
      }
      // Who answers nonsense is there.
      if (error instanceof WebhookUnreachable) line.circuit.failed(error);
      else line.circuit.succeeded();
      return await this.#failed(conflict, webhook, reasonOf(error));
    } finally {
      line.asking--;
    }
    await this.#send(conflict, answer, askedAtMs, `webhook ${new URL(webhook.url).host}`, null);
  }

  async #failed(conflict: WaitingConflict, webhook: Webhook, reason: string): Promise<void> {
    if (conflict.attempt > webhook.retries) return this.#giveUp(conflict, webhook, reason);
    const { firstRetryMs, retryMsMax } = this.#limits;
    const delayMs = Math.min(retryMsMax, firstRetryMs * 2 ** Math.min(conflict.attempt - 1, 20));
    // With jitter, so that many that failed together do not come back together.
    await this.#deps.store.postpone(conflict.conflictId, Math.round(delayMs * (0.5 + Math.random() / 2)), reason);
  }

  async #giveUp(conflict: WaitingConflict, { fallback, url }: Webhook, reason: string): Promise<void> {
    const { store, logger, clock } = this.#deps;
    const said = { conflictId: conflict.conflictId, entityId: conflict.entityId, webhook: new URL(url).host, reason };
    if (fallback.kind === 'manual') {
      logger.warn('a webhook gave no usable answer: the conflict waits for a person', said);
      return store.settle(conflict.conflictId, reason);
    }
    logger.warn(`a webhook gave no usable answer: ${fallback.name} decided in its place`, said);
    const answer: WebhookAnswer = { skip: false, ...chooseByRule(conflict.fields, fallback) };
    await this.#send(conflict, answer, clock.nowMs(), `webhook fallback (${fallback.name})`, reason);
  }

  /** `decidedAtMs` is when the question was asked: what a source did after that was not known to who answered. */
  async #send(
    conflict: WaitingConflict,
    answer: WebhookAnswer,
    decidedAtMs: number,
    by: string,
    reason: string | null,
  ): Promise<void> {
    const { store, answers } = this.#deps;
    const { conflictId, entityId, kind } = conflict;
    // It moved meanwhile: the answer is to another question than the one that stands now.
    if (!(await store.isUnmoved(conflict))) return store.giveBack(conflictId, 0);
    const values = answer.skip ? { fields: {} } : { fields: answer.fields, removed: answer.removed };
    const decidedAt = decidedAtOf(decidedAtMs, conflict.fields);
    await answers.send({ entityId, kind, by, answer: { conflictId, decidedAt, skip: answer.skip, ...values } });
    await store.settle(conflictId, reason);
  }

  #lineOf(url: string): Line {
    const line = this.#lines.get(url) ?? {
      circuit: new CircuitBreaker(this.#limits.circuit, this.#deps.clock, this.#deps.jitter),
      asking: 0,
    };
    this.#lines.set(url, line);
    return line;
  }
}

/** All fields of a conflict that waits for a webhook have the same one. */
function webhookOf(policy: ConflictPolicy | undefined, { fields }: WaitingConflict): Webhook | undefined {
  if (policy === undefined) return undefined;
  for (const [name] of openFieldsOf(fields)) {
    const rule = ruleOf(policy, name);
    if (rule.kind === 'webhook') return rule.webhook;
  }
  return undefined;
}

/** Whether any field of the kind is left to one. */
export function asksWebhooks(policy: ConflictPolicy): boolean {
  return webhooksOf(policy).length > 0;
}

function webhooksOf({ defaultRule, fields }: ConflictPolicy): Webhook[] {
  return [defaultRule, ...fields.values()].flatMap((rule) => (rule.kind === 'webhook' ? [rule.webhook] : []));
}

function longestTimeoutMs(policies: ReadonlyMap<string, ConflictPolicy>): number {
  return Math.max(0, ...[...policies.values()].flatMap(webhooksOf).map(({ timeoutMs }) => timeoutMs));
}
