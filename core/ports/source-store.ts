import type { SourceMark, StreamNote, StreamNotes, StreamPhase } from './source-connector.ts';

/**
 * running    is read by whoever holds its lease
 * paused     somebody wants it so, or it waits for somebody to accept a change of its table: the reason says which
 */
export type StreamState = 'running' | 'paused';

export interface StreamRef {
  readonly source: string;
  readonly stream: string;
}

/** The right to read a stream. It rises with every owner, travels with what is sent, and guards whatever is stored. */
export interface StreamLease extends StreamRef {
  readonly token: number;
  /** Rises when the stream is read anew from the beginning. */
  readonly epoch: number;
  readonly mark: SourceMark | null;
  readonly phase: StreamPhase;
  /** Somebody has resumed it since it moved last. */
  readonly accepted: boolean;
}

export interface StreamProgress {
  readonly mark: SourceMark;
  readonly phase: StreamPhase;
  readonly lagMs: number | null;
  /** Changes sent since the last time. */
  readonly changes: number;
  readonly put: readonly StreamNote[];
  readonly remove: readonly string[];
}

/** What people see of a stream. */
export interface StreamView extends StreamRef {
  readonly state: StreamState;
  readonly phase: StreamPhase;
  readonly reason: string | null;
  readonly errorCode: string | null;
  readonly epoch: number;
  readonly token: number;
  /** The process that reads it at present. */
  readonly owner: string | null;
  readonly mark: SourceMark | null;
  /** Sent in this epoch. */
  readonly changes: number;
  readonly lagMs: number | null;
  /** When it moved last; where it is paused or cannot be read, since when. */
  readonly updatedAtMs: number;
}

export interface SourceStore {
  /**
   * Leases of those of these streams that nobody holds, whose owner has not been heard of for `silentMs`, or that this
   * owner held before; a stream that is not known begins with epoch 1. Paused ones are left out.
   */
  acquire(refs: readonly StreamRef[], owner: string, silentMs: number): Promise<readonly StreamLease[]>;
  /** Tells that the owner lives; returns those that still are the owner's and whose streams are to be read. */
  renew(leases: readonly StreamLease[]): Promise<readonly StreamLease[]>;
  /** One transaction. Null: the lease is lost, or the stream paused or begun anew; nothing was stored. Takes the reason of an earlier failure away. */
  advance(lease: StreamLease, progress: StreamProgress): Promise<StreamLease | null>;
  /** Keeps why the stream does not go on at present, and since when; `pause`: not before somebody resumes it. */
  fail(lease: StreamLease, code: string, reason: string, pause: boolean): Promise<void>;
  /** The position at the source is lost: the next epoch, from the beginning. Null: the lease is lost. */
  restart(lease: StreamLease): Promise<StreamLease | null>;
  release(leases: readonly StreamLease[]): Promise<void>;
  notes(lease: StreamLease): StreamNotes;
}

/** What a person does about streams. Each is false where the stream is not known. */
export interface SourceDesk {
  streams(): Promise<readonly StreamView[]>;
  pause(ref: StreamRef, by: string): Promise<boolean>;
  resume(ref: StreamRef): Promise<boolean>;
  /** Everything is read again from the beginning, in the next epoch. */
  resync(ref: StreamRef): Promise<boolean>;
}
