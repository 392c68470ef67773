import { checkBody } from '../connectors/http/ingest-check.ts';
import { ingestTypesOf, usersKind } from '../connectors/http/ingest-types.ts';
import type { SynclineConfig } from '../core/config/config.ts';
import type { FieldDeclaration } from '../core/config/record-fields.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';

/** A first thing to do that this configuration answers. */
export type TryIt =
  | { readonly kind: 'post'; readonly path: string; readonly body: string; readonly needsKey: boolean }
  /** Nothing that could be made up is taken: the systems that are read say by themselves what they have. */
  | { readonly kind: 'look' };

type IngestConfig = Pick<SynclineConfig, 'sources' | 'profile'> & {
  readonly api: Pick<SynclineConfig['api'], 'anonymousIngest'>;
};

export function tryItOf({ sources, profile, api }: IngestConfig): TryIt {
  const { all } = ingestTypesOf(sources);
  const users = all.filter(({ kind }) => kind === usersKind);
  for (const type of [...users, ...all.filter(({ kind }) => kind !== usersKind)]) {
    const { schema, key } = sources[type.source]!.entities[type.kind]!;
    const record = schema === undefined ? { ...recordFor({}, key), ...person } : recordFor(schema.fields, key);
    try {
      checkBody(type, record, 1);
    } catch {
      continue;
    }
    const path = type.kind === usersKind ? '/users' : `/events/${encodeURIComponent(type.kind)}`;
    const isClear = all.filter(({ kind }) => kind === type.kind).length === 1;
    return {
      kind: 'post',
      path: isClear ? path : `${path}?source=${encodeURIComponent(type.source)}`,
      body: JSON.stringify(record),
      needsKey: profile === 'production' || api.anonymousIngest !== 'loopback',
    };
  }
  return { kind: 'look' };
}

const person = { name: 'Ada', email: 'ada@example.com' };

/** What is asked for at least, and the key. */
function recordFor(fields: Readonly<Record<string, FieldDeclaration>>, key: readonly string[]): JsonObject {
  const required = Object.keys(fields).filter((field) => fields[field]!.required === true);
  const asked = new Set([...key, ...required]);
  return Object.fromEntries([...asked].map((field) => [field, valueFor(field, fields[field])]));
}

function valueFor(field: string, declaration: FieldDeclaration | undefined): JsonValue {
  const { type, enum: allowed, min, items, fields } = declaration ?? {};
  if (allowed !== undefined && allowed.length > 0) return allowed[0]!;
  switch (type) {
    case 'email':
      return person.email;
    case 'integer':
    case 'number':
    case 'decimal':
      return Math.max(min ?? 1, 1);
    case 'boolean':
      return true;
    case 'date':
      return '2026-01-31';
    case 'datetime':
      return '2026-01-31T12:00:00Z';
    case 'array':
      return items === undefined ? [] : [valueFor(field, items)];
    case 'object':
      return recordFor(fields ?? {}, []);
    default:
      return field === 'name' ? person.name : field === 'email' ? person.email : `${field}-1`;
  }
}
