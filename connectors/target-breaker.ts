import type { CircuitBreaker } from '../core/circuit-breaker.ts';
import { SyncError } from '../core/errors.ts';

/** Rejects with `target.unavailable` where the target is left alone. What the call rejects with counts as a failure of it. */
export async function throughBreaker<T>(target: string, breaker: CircuitBreaker, call: () => Promise<T>): Promise<T> {
  if (!breaker.admit()) throw new SyncError('target.unavailable', `${target} is left alone for a while: ${breaker.reason}`);
  try {
    const result = await call();
    breaker.succeeded();
    return result;
  } catch (error) {
    breaker.failed(error);
    throw error;
  }
}
