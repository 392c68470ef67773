import type { Clock } from '../../core/ports/clock.ts';

const stopSignals = ['SIGINT', 'SIGTERM'] as const;
type StopSignal = (typeof stopSignals)[number];

const exitCodes: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/** A runner such as npm passes on the Ctrl-C that the terminal already sent: two signals, one key pressed. */
const echoMs = 500;

/** As much of `process` as is needed. */
export interface SignalTarget {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  exit(code: number): void;
}

export interface SignalWatch {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Leaves signals to their default again. */
  close(): void;
}

/** The first signal asks to stop; a second one ends the process at once. */
export function watchSignals(clock: Clock, target: SignalTarget = process): SignalWatch {
  const controller = new AbortController();
  let askedAtMs: number | undefined;
  const listener = (signal: StopSignal): void => {
    if (askedAtMs === undefined) {
      askedAtMs = clock.nowMs();
      controller.abort(new Error(`stopped by ${signal}`));
    } else if (clock.nowMs() - askedAtMs >= echoMs) {
      target.exit(exitCodes[signal]);
    }
  };
  for (const signal of stopSignals) target.on(signal, listener);
  return {
    signal: controller.signal,
    close: () => {
      for (const signal of stopSignals) target.off(signal, listener);
    },
  };
}
