/**
 * What a single rule says when it cannot go on. The mapping around it knows the field and turns both into
 * SyncErrors: `mapping.invalid-rule` while compiling, `mapping.failed` for a record.
 */
export class InvalidRule extends Error {
  /** The step at fault, where the one who throws does not know it. */
  rule: string | undefined;
}

export class UnfitValue extends Error {}

const previewLengthMax = 120;

/** A value as it may stand in a message: short, on one line. */
export function preview(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > previewLengthMax ? `${text.slice(0, previewLengthMax)}…` : text;
}
