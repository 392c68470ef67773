/** Knows how far the stages are. */
export interface VerificationPassage {
  /**
   * Resolves to true once everything that had been told of the kind when it was called has gone through all stages, write-backs
   * to the target included; to false where that does not come about in good time, because a stage stands still.
   */
  passed(kind: string, target: string | null, signal: AbortSignal): Promise<boolean>;
}
