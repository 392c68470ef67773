import type { RoleContext } from './role-context.ts';

export const roleNames = ['processor', 'sync-manager', 'api', 'demo', 'target', 'source'] as const;
export type RoleName = (typeof roleNames)[number];

/** A role at work. What it opened it closes in `stop`. */
export interface RunningRole {
  /** Rejects when the role cannot go on by waiting. */
  readonly failed: Promise<never>;
  /** Small facts for the role's report: addresses, lag. */
  details(): Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

export type StartRole = (context: RoleContext) => Promise<RunningRole>;
