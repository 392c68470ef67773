/** Time, injected: tests and the simulation own it. */
export interface Clock {
  nowMs(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
