import type { AvroRecord } from '../../core/codec/avro-schemas.ts';

interface Field {
  readonly name: string;
  readonly type: unknown;
  readonly default?: unknown;
}

/** What stands between two versions of a record, in words that name the field. */
export function schemaDifferences(registered: { readonly fields?: readonly Field[] }, ours: AvroRecord): string[] {
  const before = new Map((registered.fields ?? []).map((field) => [field.name, field]));
  const after = new Map<string, Field>(ours.fields.map((field) => [field.name, field]));
  const differences: string[] = [];
  for (const [name, field] of after) {
    const old = before.get(name);
    if (old === undefined) {
      if (field.default === undefined) differences.push(`${name} is new and has no default`);
    } else if (shapeOf(old.type) !== shapeOf(field.type)) {
      differences.push(`${name} was ${shapeOf(old.type)} and is ${shapeOf(field.type)}`);
    }
  }
  for (const [name, field] of before) {
    if (!after.has(name) && field.default === undefined) differences.push(`${name} is gone and had no default`);
  }
  return differences;
}

/** Type without docs and names, so that equal shapes have equal texts. */
function shapeOf(type: unknown): string {
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) return type.map(shapeOf).join(' or ');
  const { type: inner, fields } = type as { type: unknown; fields?: readonly Field[] };
  if (fields === undefined) return shapeOf(inner);
  return `{${fields.map((field) => `${field.name}: ${shapeOf(field.type)}`).join(', ')}}`;
}
