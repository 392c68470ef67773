import { SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { SourceDesk, StreamRef, StreamView } from '../core/ports/source-store.ts';

export interface StreamWatchDeps extends StreamRef {
  readonly desk: Pick<SourceDesk, 'streams'>;
  readonly clock: Clock;
}

const lookIntervalMs = 200;
const patienceMs = 30_000;
/** So long a stream may lie with nobody that goes from one process to the next, or be about to come to its end. */
const handoverMs = 6_000;

/** How far the stream is by which we hear of what is compared. What it has not told of yet is no difference. */
export class StreamWatch {
  readonly #deps: StreamWatchDeps;

  constructor(deps: StreamWatchDeps) {
    this.#deps = deps;
  }

  /** Rejects with `source.behind` where it does not keep up: everything that is not told yet would look like a difference. */
  async check(): Promise<void> {
    const { source, stream, clock } = this.#deps;
    const untilMs = clock.nowMs() + handoverMs;
    for (;;) {
      const view = await this.#view();
      const reason = whyBehind(view);
      if (reason === null) return;
      if (view?.state === 'paused' || clock.nowMs() > untilMs) {
        throw new SyncError('source.behind', `the stream ${stream} of ${source} ${reason}`, { details: { source, stream } });
      }
      await clock.sleep(lookIntervalMs);
    }
  }

  async isToldSince(sinceMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#deps;
    const untilMs = clock.nowMs() + patienceMs;
    for (;;) {
      const view = await this.#view();
      if (view !== undefined && isTold(view, sinceMs)) return true;
      if (signal.aborted || whyBehind(view) !== null || clock.nowMs() > untilMs) return false;
      await clock.sleep(lookIntervalMs, signal).catch(() => undefined);
    }
  }

  async #view(): Promise<StreamView | undefined> {
    const { desk, source, stream } = this.#deps;
    return (await desk.streams()).find((view) => view.source === source && view.stream === stream);
  }
}

/** It rests until it looks again, or what it told last was no older than that. */
function isTold(view: StreamView, sinceMs: number): boolean {
  if (whyBehind(view) !== null) return false;
  return view.phase === 'waiting' || (view.lagMs !== null && view.updatedAtMs - view.lagMs >= sinceMs);
}

function whyBehind(view: StreamView | undefined): string | null {
  if (view === undefined) return 'was not read so far';
  if (view.state === 'paused') return `is paused: ${view.reason}`;
  if (view.errorCode !== null) return `cannot be read: ${view.reason}`;
  if (view.phase === 'snapshot') return 'is being read for the first time, or anew: verify it when that has ended';
  return view.owner === null ? 'is read by no process at present' : null;
}
