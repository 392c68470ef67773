/**
 * The error catalogue: every failure of the world that a user can meet, by code. A failure of ours is an
 * assertion instead and stops the process. `docs/reference/errors.md` is generated from this table.
 */

/** What the pipeline does with a record that met this error. */
export type ErrorTreatment =
  /** The whole batch waits and is tried again: the world is out, the record is not at fault. */
  | 'retry-batch'
  /** The record becomes a dead letter that is tried again by itself with growing delays. */
  | 'retry-record'
  /** The record becomes a dead letter that waits for a human: the same bytes would fail again. */
  | 'park-record'
  /** The caller is told at once; nothing was accepted. */
  | 'refuse';

interface CatalogueEntry {
  readonly summary: string;
  readonly fix: string;
  readonly treatment: ErrorTreatment;
}

export const errorCatalogue = {
  'config.invalid': {
    summary: 'The configuration does not fit its schema.',
    fix: 'Correct what the message names; `syncline validate` checks the files without starting anything.',
    treatment: 'refuse',
  },
  'config.unreadable': {
    summary: 'The configuration file cannot be read or is not YAML.',
    fix: 'Check the path given by --config or SYNCLINE_CONFIG and the YAML syntax at the named line.',
    treatment: 'refuse',
  },
  'config.env-missing': {
    summary: 'The configuration refers to an environment variable that is not set.',
    fix: 'Set the variable, or give a default in the file: ${NAME:-default}.',
    treatment: 'refuse',
  },
  'record.malformed': {
    summary: 'The bytes on the topic are not a change event.',
    fix: 'Look at the body in the dead letter, correct the producer, then discard or replay.',
    treatment: 'park-record',
  },
  'record.too-large': {
    summary: 'The record is larger than the pipeline carries.',
    fix: 'Send less per record, or raise `limits.recordBytesMax` and the broker’s limit together.',
    treatment: 'park-record',
  },
  'record.too-deep': {
    summary: 'The record is nested deeper than the pipeline carries.',
    fix: 'Flatten the record at its source, or map the inner part as text.',
    treatment: 'park-record',
  },
  'record.number-out-of-range': {
    summary: 'A number of the record has more than 1,000 digits before or after its decimal point.',
    fix: 'Correct the number at the source, or send it as text.',
    treatment: 'park-record',
  },
  'record.unstorable-text': {
    summary: 'The record holds text that PostgreSQL cannot store: U+0000 or half of a surrogate pair.',
    fix: 'Remove the character at the source, or drop it with a `trim: control` mapping rule, then replay.',
    treatment: 'park-record',
  },
  'record.entity-id-too-long': {
    summary: 'The entity id is longer than 100 characters.',
    fix: 'Choose a shorter key or match key for this entity kind.',
    treatment: 'park-record',
  },
  'mapping.failed': {
    summary: 'A mapping rule could not be applied to a value.',
    fix: 'The error names field, rule and value: correct the rule or the value, then replay.',
    treatment: 'park-record',
  },
  'mapping.invalid-rule': {
    summary: 'A mapping rule cannot be compiled.',
    fix: 'Correct the named rule in the configuration.',
    treatment: 'refuse',
  },
  'identity.key-missing': {
    summary: 'The record carries no key.',
    fix: 'Configure a key field that is always present, or correct the source.',
    treatment: 'park-record',
  },
  'identity.conflict': {
    summary: 'A second key of the same source claims the same match key, and the first still lives.',
    fix: 'Two records of one source share what should tell them apart: correct one. It is tried again by itself, because the first may be deleted, or move, soon after.',
    treatment: 'retry-record',
  },
  'schema.incompatible': {
    summary: 'The schema registry refused a schema: it is incompatible with the one in use.',
    fix: 'Add fields with defaults instead of renaming or retyping, or use a new topic.',
    treatment: 'refuse',
  },
  'schema.unknown': {
    summary: 'A message names a schema the registry does not know.',
    fix: 'Check that the registry is the one the message was written with.',
    treatment: 'retry-record',
  },
  'store.rejected': {
    summary: 'PostgreSQL refused the record itself.',
    fix: 'The reason is in the dead letter; correct the record or its mapping, then replay.',
    treatment: 'park-record',
  },
  'kafka.unavailable': {
    summary: 'Kafka does not answer.',
    fix: 'Check that the brokers of `kafka.brokers` run and are reachable; work resumes by itself.',
    treatment: 'retry-batch',
  },
  'kafka.log-truncated': {
    summary: 'The topic begins after the position we stored: records between were deleted by retention.',
    fix: 'Accept the gap with `syncline accept-gap TOPIC`, then have the source send everything again.',
    treatment: 'retry-batch',
  },
  'kafka.partitions-differ': {
    summary: 'A topic exists with another number of partitions than configured.',
    fix: 'Set `partitions` to what the topic has, or drain it and use a new topic: keys must keep their partition.',
    treatment: 'refuse',
  },
  'postgres.unavailable': {
    summary: 'PostgreSQL does not answer.',
    fix: 'Check that the server of `postgres.url` runs and is reachable; work resumes by itself.',
    treatment: 'retry-batch',
  },
  'redis.unavailable': {
    summary: 'Redis does not answer.',
    fix: 'Check that the server of `redis.url` runs and is reachable; work resumes by itself.',
    treatment: 'retry-batch',
  },
  'registry.unavailable': {
    summary: 'The schema registry does not answer.',
    fix: 'Check that the server of `schemaRegistry.url` runs and is reachable; work resumes by itself.',
    treatment: 'retry-batch',
  },
  'lease.lost': {
    summary: 'Another process owns this partition now.',
    fix: 'Nothing to do: the other process goes on where this one stopped.',
    treatment: 'retry-batch',
  },
  'request.invalid': {
    summary: 'The request does not fit its schema.',
    fix: 'Every field at fault is listed in `errors`.',
    treatment: 'refuse',
  },
  'request.malformed': {
    summary: 'The body is not JSON.',
    fix: 'Send JSON as UTF-8 with content type application/json.',
    treatment: 'refuse',
  },
  'request.malformed-address': {
    summary: 'The address of the request cannot be read.',
    fix: 'Write each character as the bytes of its UTF-8 form, `%C3%A4` for ä, and a percent sign itself as `%25`.',
    treatment: 'refuse',
  },
  'request.too-large': {
    summary: 'The body is larger than accepted.',
    fix: 'Send smaller batches; the limit is `api.bodyBytesMax`.',
    treatment: 'refuse',
  },
  'source.unavailable': {
    summary: 'A source does not answer, or not in time.',
    fix: 'Check that it runs and is reachable; other sources go on, and reading resumes by itself where it stopped.',
    treatment: 'retry-batch',
  },
  'source.misconfigured': {
    summary: 'A source lacks a table, a column, a key or a permission that its configuration needs.',
    fix: 'Do what the message names. What is mended at the source is noticed by itself; a change of the configuration takes effect at the next start.',
    treatment: 'retry-batch',
  },
  'source.schema-changed': {
    summary: 'The columns of a table have changed since it was read last, and its configuration wants somebody to look first.',
    fix: 'Adapt the mapping where it is concerned, then `syncline sources resume SOURCE STREAM`; `onSchemaChange: adapt` goes on by itself.',
    treatment: 'retry-batch',
  },
  'source.position-lost': {
    summary: 'A source no longer has the changes since the position that was read last.',
    fix: 'Nothing to do: everything is read again from the beginning. Look for what removed them, so that it does not happen again.',
    treatment: 'retry-batch',
  },
  'source.behind': {
    summary: 'A source is not read up to date, so what it holds cannot be held against what it told.',
    fix: 'See `syncline sources list` for how far its streams are; verify again when they have kept up.',
    treatment: 'refuse',
  },
  'target.unavailable': {
    summary: 'A target does not answer, or not in time.',
    fix: 'Check that it runs and is reachable; what is written to it waits, other targets go on, and work resumes by itself.',
    treatment: 'retry-batch',
  },
  'target.misconfigured': {
    summary: 'A target lacks a table, a column, a unique index or a permission that its configuration needs.',
    fix: 'Do what the message names. What is mended at the target is noticed by itself; a change of the configuration takes effect at the next start.',
    treatment: 'retry-batch',
  },
  'target.guarded': {
    summary: 'A target is paused, because more of it would be changed or deleted at once than its guard allows.',
    fix: 'Look at what would be written; if it is right, approve it with `POST /api/targets/{name}/approve`.',
    treatment: 'retry-batch',
  },
  'target.rejected': {
    summary: 'A target refuses a record: a constraint, a type, or a key that is missing.',
    fix: 'The reason names the column: correct the record or its mapping, then replay.',
    treatment: 'park-record',
  },
  'target.flapping': {
    summary: 'A system changes a record back again and again after our writes, so nothing more of it is written there.',
    fix: 'Find out what changes it there, or give that system the last word on the field; then replay.',
    treatment: 'park-record',
  },
  'request.unauthenticated': {
    summary: 'The request carries no valid API key.',
    fix: 'Send the key as `Authorization: Bearer KEY`; the first admin key lies in the file that `npm start` names.',
    treatment: 'refuse',
  },
  'request.forbidden': {
    summary: 'The API key’s role may not do this.',
    fix: 'Use a key with the role named in the answer.',
    treatment: 'refuse',
  },
  'request.not-found': {
    summary: 'There is nothing at this address, or nothing with this id.',
    fix: 'Check the id: the lists show those there are. The addresses stand at /docs.',
    treatment: 'refuse',
  },
  'request.unknown-name': {
    summary: 'Something is named that the configuration does not have.',
    fix: 'Use one of the names in the message; what is added to the configuration is there after the next start.',
    treatment: 'refuse',
  },
  'request.conflict': {
    summary: 'The request contradicts what is there.',
    fix: 'Read the current state and decide again.',
    treatment: 'refuse',
  },
  'conflict.closed': {
    summary: 'The conflict is not open any more: the first answer wins.',
    fix: 'Look at the entity; a change of the record at one of its sources, or a new conflict, is how to change it again.',
    treatment: 'refuse',
  },
  'request.method-not-allowed': {
    summary: 'This address does not take this method.',
    fix: 'Use one of the methods named in the Allow header.',
    treatment: 'refuse',
  },
  'request.unsupported-media-type': {
    summary: 'The body is of a type that is not taken here.',
    fix: 'Send JSON as UTF-8 with content type application/json, plain or compressed with gzip, deflate or br.',
    treatment: 'refuse',
  },
  'request.idempotency-mismatch': {
    summary: 'The idempotency key was used before for another body.',
    fix: 'Use a new key for each new request, and the same key only to repeat one unchanged.',
    treatment: 'refuse',
  },
  'request.timed-out': {
    summary: 'The question took too long to answer.',
    fix: 'Ask for less: name an entity, a source or a shorter span of time.',
    treatment: 'refuse',
  },
  'ingest.overloaded': {
    summary: 'More events wait for Kafka than this process may hold. Nothing of this request was accepted.',
    fix: 'Send it again after the seconds named in Retry-After; larger batches carry more events at once.',
    treatment: 'refuse',
  },
  'service.not-ready': {
    summary: 'A part that is needed does not answer.',
    fix: 'The parts at fault are listed in `errors`.',
    treatment: 'refuse',
  },
  'client.not-running': {
    summary: 'The command found no running Syncline.',
    fix: 'Start it with `npm start`, or name its address with --url.',
    treatment: 'refuse',
  },
  'request.rate-limited': {
    summary: 'Too many requests from this client.',
    fix: 'Wait for the seconds named in Retry-After.',
    treatment: 'refuse',
  },
  'stack.part-missing': {
    summary: 'A part the embedded stack needs is not installed.',
    fix: 'Run the one command the message names, or give the address of a running service.',
    treatment: 'refuse',
  },
  'stack.start-failed': {
    summary: 'A part of the embedded stack did not start.',
    fix: 'The last lines of its log are in the message; the whole log lies where it names.',
    treatment: 'refuse',
  },
  'stack.directory-in-use': {
    summary: 'Another process runs the embedded stack in this data directory.',
    fix: 'Stop that process, or start this one with another data directory.',
    treatment: 'refuse',
  },
  'stack.fetch-failed': {
    summary: 'A part of the embedded stack could not be fetched from its registry.',
    fix: 'Check the network and proxy settings, then try again; nothing half-fetched is used.',
    treatment: 'refuse',
  },
  'stack.checksum-mismatch': {
    summary: 'A fetched file is not the one that was pinned.',
    fix: 'Do not use it: find out what answers in the place of the package registry.',
    treatment: 'refuse',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface SyncErrorOptions {
  readonly cause?: unknown;
  /** What a program reads: field, rule, value, line… Always small and JSON-safe. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A failure of the world, named in the catalogue. The message is what a human reads first. */
export class SyncError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: SyncErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SyncError';
    this.code = code;
    this.details = options.details ?? {};
  }

  get treatment(): ErrorTreatment {
    return errorCatalogue[this.code].treatment;
  }

  get fix(): string {
    return errorCatalogue[this.code].fix;
  }
}

export function isSyncError(error: unknown): error is SyncError {
  return error instanceof SyncError;
}

/** The text of whatever was thrown. Who tried several addresses in vain throws several errors and no text. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message === '' && error instanceof AggregateError) return error.errors.map(reasonOf).join('; ') || error.name;
  return error.message || error.name;
}

/** Closes a switch over a union: a case that was forgotten does not compile. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
