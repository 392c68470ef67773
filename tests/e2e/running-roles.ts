import assert from 'node:assert/strict';
import pg from 'pg';
import { expect } from 'vitest';
import type { StartedSyncline } from './started-syncline.ts';

const patience = { timeout: 60_000, interval: 100 };

/** The processes behind a running installation, as they report themselves. */
export class RunningRoles {
  readonly #pool: pg.Pool;

  constructor({ runtime }: StartedSyncline) {
    this.#pool = new pg.Pool({ connectionString: runtime.postgres, max: 1 });
  }

  async pidOf(role: 'source' | 'target'): Promise<number> {
    // A process that begins has not said it yet; a signal to nobody would be one to ourselves.
    const text = `SELECT (details->>'pid')::int AS pid FROM role_reports WHERE role = $1 AND details ? 'pid' ORDER BY reported_at DESC LIMIT 1`;
    const { rows } = await this.#pool.query<{ pid: number }>(text, [role]);
    assert(Number.isInteger(rows[0]?.pid), `no process says that it is the ${role}`);
    return rows[0]!.pid;
  }

  /** As a power cut would. Returns when another has taken its place. */
  async kill(role: 'source' | 'target'): Promise<void> {
    const killed = await this.pidOf(role);
    process.kill(killed, 'SIGKILL');
    await expect.poll(() => this.pidOf(role), patience).not.toBe(killed);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
