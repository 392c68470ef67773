import type { SynclineConfig } from '../../core/config/config.ts';
import { compileRecordSchema } from '../../core/config/record-schema.ts';
import { SyncError } from '../../core/errors.ts';
import type { FieldError } from '../../core/problem.ts';
import { unknownName } from '../../core/unknown-name.ts';
import type { IngestType } from './ingest-type.ts';

/** What may be posted, as the configuration says. */
export interface IngestTypes {
  readonly all: readonly IngestType[];
  /** `source` is needed only where two sources have the kind. Throws where there is none, or none without asking. */
  find(kind: string, source: string | undefined): IngestType;
}

/** A user has these at least, whatever else the configuration wants of one. */
const plainRecord = { fields: {}, additionalFields: 'allow' } as const;
const plainUser = {
  fields: { name: { type: 'string', required: true, minLength: 1 }, email: { type: 'email', required: true } },
  additionalFields: 'allow',
} as const;

export const usersKind = 'users';

export function ingestTypesOf(sources: SynclineConfig['sources']): IngestTypes {
  const all = Object.entries(sources)
    .filter(([, source]) => source.connector === 'http')
    .flatMap(([source, { entities }]) =>
      Object.entries(entities).map(([kind, entity]): IngestType => {
        const compiled = compileRecordSchema(entity.schema ?? (kind === usersKind ? plainUser : plainRecord));
        return {
          source,
          kind,
          keyFields: entity.key,
          occurredAtField: entity.occurredAt,
          check: (record) => compiled.check(record).map(withCode),
          schema: compiled.zod,
        };
      }),
    );
  const byKind = Map.groupBy(all, (type) => type.kind);
  return {
    all,
    find(kind, source) {
      const candidates = byKind.get(kind) ?? [];
      if (candidates.length === 0) throw unknownName('event type', kind, byKind.keys());
      if (source === undefined && candidates.length === 1) return candidates[0]!;
      const found = candidates.find((type) => type.source === source);
      if (found !== undefined) return found;
      const names = candidates.map((type) => type.source).join(', ');
      throw sourceUnclear(`name the source with ?source=, one of: ${names}`);
    },
  };
}

function sourceUnclear(message: string): SyncError {
  return new SyncError('request.invalid', message, { details: { errors: [{ field: 'source', code: 'invalid', message }] } });
}

function withCode({ field, message }: { field: string; message: string }): FieldError {
  const code = message === 'is required' ? 'required' : message.startsWith('is not a known field') ? 'unknown' : 'invalid';
  return { field, code, message };
}
