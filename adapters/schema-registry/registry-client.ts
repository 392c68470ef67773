import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { AvroRecord } from '../../core/codec/avro-schemas.ts';
import { reasonOf, SyncError } from '../../core/errors.ts';
import { schemaDifferences } from './schema-differences.ts';

/** What we use of a compiled schema. */
export interface AvroType {
  toBuffer(value: unknown): Buffer;
  fromBuffer(bytes: Buffer, resolver?: unknown): unknown;
  createResolver(writer: AvroType): unknown;
}

export interface RegisteredSchema {
  readonly id: number;
  readonly type: AvroType;
}

export interface RegistryClient {
  /** Registers the schema, or finds it registered. Rejects with `schema.incompatible` or `registry.unavailable`. */
  register(subject: string, schema: AvroRecord): Promise<RegisteredSchema>;
  /** Null where the registry knows no such schema. Rejects with `registry.unavailable`. */
  find(id: number): Promise<AvroType | null>;
}

/** Every version reads every other: topics are replayed from their beginning, and roles are replaced one by one. */
const compatibility = 'FULL_TRANSITIVE';
const retry = { retries: 3, initialRetryTimeInSecs: 0.1, maxRetryTimeInSecs: 2 };
const requestTimeoutMs = 5_000;

export function createRegistryClient(registryUrl: string): RegistryClient {
  const registry = new SchemaRegistry({ host: registryUrl, clientId: 'syncline', retry });

  const registerOnce = (subject: string, schema: AvroRecord) =>
    registry.register(
      { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
      { subject, compatibility: compatibility as never },
    );

  const typeOf = async (id: number) => (await registry.getSchema(id)) as unknown as AvroType;

  return {
    async register(subject, schema) {
      try {
        const { id } = await registerOnce(subject, schema).catch(async (error: unknown) => {
          if (isOtherCompatibility(error)) await setCompatibility(registryUrl, subject);
          else if (!isLevelSetMeanwhile(error)) throw error;
          return registerOnce(subject, schema);
        });
        return { id, type: await typeOf(id) };
      } catch (error) {
        if (statusOf(error) === 409) throw await incompatible(registryUrl, subject, schema, error);
        throw unavailable(registryUrl, error);
      }
    },
    async find(id) {
      try {
        return await typeOf(id);
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw unavailable(registryUrl, error);
      }
    },
  };
}

async function setCompatibility(registryUrl: string, subject: string): Promise<void> {
  const response = await fetch(`${registryUrl}/config/${encodeURIComponent(subject)}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility }),
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  const setMeanwhile = response.status === 409;
  if (!response.ok && !setMeanwhile)
    throw new Error(`setting the compatibility of ${subject} was answered with ${response.status}`);
}

/** Someone registered the subject and did not come to set its level, or the registry has a default of its own. */
function isOtherCompatibility(error: unknown): boolean {
  return error instanceof Error && error.name === 'ConfluentSchemaRegistryCompatibilityError';
}

/** Two processes met a new subject at the same moment, and the other one was first to set its level. */
function isLevelSetMeanwhile(error: unknown): boolean {
  const { url } = error as { url?: unknown };
  return statusOf(error) === 409 && typeof url === 'string' && url.includes('/config/');
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : undefined;
}

/** The registry's own words count fields by their place; ours name them. */
async function incompatible(registryUrl: string, subject: string, schema: AvroRecord, cause: unknown): Promise<SyncError> {
  const differences = await latestSchema(registryUrl, subject).then(
    (registered) => schemaDifferences(registered, schema),
    () => [],
  );
  const reason = differences.length > 0 ? differences.join('; ') : reasonOf(cause);
  return new SyncError('schema.incompatible', `The schema of ${subject} was refused: ${reason}`, {
    cause,
    details: { subject, compatibility, differences },
  });
}

async function latestSchema(registryUrl: string, subject: string): Promise<AvroRecord> {
  const response = await fetch(`${registryUrl}/subjects/${encodeURIComponent(subject)}/versions/latest`, {
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  const { schema } = (await response.json()) as { schema: string };
  return JSON.parse(schema) as AvroRecord;
}

function unavailable(registryUrl: string, cause: unknown): SyncError {
  const { host } = new URL(registryUrl);
  return new SyncError('registry.unavailable', `The schema registry at ${host} does not answer: ${reasonOf(cause)}`, { cause });
}
