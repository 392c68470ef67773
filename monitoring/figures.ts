import type { Outcome } from '../core/outcome.ts';
import type { Metrics } from './metrics.ts';

/** What is not an event of a stage: figures read from the tables now and then, and requests answered. */
export interface Figures {
  /** Raw records by outcome; what was received and is in no outcome yet is in flight. */
  accounting(figures: AccountingFigures): void;
  deadLettersOpen(byStatus: Readonly<Record<string, number>>): void;
  /** All pairs that are compared, also those without a difference. */
  differences(pairs: readonly PairFigures[]): void;
  targets(targets: readonly TargetFigures[]): void;
  /** What was verified so far. */
  verified(systems: readonly VerifiedFigures[]): void;
  /** `route` is the pattern, `/api/sync-state/:entityId`, never the address: labels must stay few. */
  requestAnswered(request: { route: string; method: string; status: number; durationMs: number }): void;
}

export interface TargetFigures {
  readonly target: string;
  readonly state: string;
  readonly letters: Readonly<Record<string, number>>;
}

export interface VerifiedFigures {
  readonly system: string;
  readonly kind: string;
  /** RFC 3339; null where it was never found equal. */
  readonly through: string | null;
  readonly findings: number;
}

export interface AccountingFigures {
  readonly received: number;
  readonly inFlight: number;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
}

export interface PairFigures {
  readonly leftSource: string;
  readonly rightSource: string;
  readonly entityKind: string;
  readonly onlyLeft: number;
  readonly onlyRight: number;
  readonly differs: number;
}

export function createFigures(metrics: Metrics): Figures {
  const records = metrics.gauge('syncline_accounting_records');
  const imbalance = metrics.gauge('syncline_accounting_imbalance_records');
  const open = metrics.gauge('syncline_dead_letters_open');
  const differing = metrics.gauge('syncline_differences_entities');
  const held = metrics.gauge('syncline_target_held_back');
  const refused = metrics.gauge('syncline_target_letters_open');
  const verifiedThrough = metrics.gauge('syncline_verified_through_seconds');
  const findings = metrics.gauge('syncline_verification_findings');
  const requestSeconds = metrics.histogram('syncline_http_request_duration_seconds');
  return {
    accounting({ received, inFlight, outcomes }) {
      const counts = Object.entries(outcomes);
      records.set({ outcome: 'received' }, received);
      records.set({ outcome: 'in-flight' }, inFlight);
      for (const [outcome, count] of counts) records.set({ outcome }, count);
      imbalance.set(counts.reduce((rest, [, count]) => rest - count, received - inFlight));
    },
    deadLettersOpen(byStatus) {
      open.reset();
      for (const [status, count] of Object.entries(byStatus)) open.set({ status }, count);
    },
    differences(pairs) {
      differing.reset();
      for (const { leftSource: left, rightSource: right, entityKind: entity_kind, onlyLeft, onlyRight, differs } of pairs) {
        const counts = { only_left: onlyLeft, only_right: onlyRight, differs };
        for (const [difference, count] of Object.entries(counts)) differing.set({ left, right, entity_kind, difference }, count);
      }
    },
    targets(targets) {
      held.reset();
      refused.reset();
      for (const { target, state, letters } of targets) {
        held.set({ target }, state === 'running' ? 0 : 1);
        for (const [status, count] of Object.entries(letters)) refused.set({ target, status }, count);
      }
    },
    verified(systems) {
      verifiedThrough.reset();
      findings.reset();
      for (const { system, kind: entity_kind, through, findings: found } of systems) {
        verifiedThrough.set({ system, entity_kind }, through === null ? 0 : Date.parse(through) / 1_000);
        findings.set({ system, entity_kind }, found);
      }
    },
    requestAnswered({ route, method, status, durationMs }) {
      requestSeconds.observe({ route, method, status }, durationMs / 1_000);
    },
  };
}
