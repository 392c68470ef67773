import { z } from 'zod';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

export function schemaOf(schema: z.ZodType): JsonSchema {
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as JsonSchema;
  // Custom keys are for the pages, not for editors.
  return JSON.parse(JSON.stringify(made, (key, value: unknown) => (key === '~standard' ? undefined : value)));
}

/** For editors: wherever a value may stand, `${NAME}` may stand too. */
export function editorSchema(schema: z.ZodType, title: string): JsonSchema {
  const root = withReferences(schemaOf(schema));
  return {
    ...root,
    title,
    $defs: {
      ...root.$defs,
      environmentReference: { type: 'string', pattern: '\\$\\{', description: 'From the environment: ${NAME:-default}' },
    },
  };
}

function withReferences(schema: JsonSchema): JsonSchema {
  const { unit: _, ...inner } = mapChildren(schema, withReferences);
  if (!isScalar(inner)) return inner;
  const { description, default: preset, ...constraint } = inner;
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [constraint, { $ref: '#/$defs/environmentReference' }],
  };
}

/** What is written as one word or number and could fail where a reference stands. */
function isScalar(schema: JsonSchema): boolean {
  if (schema.enum !== undefined || schema.const !== undefined) return true;
  if (schema.type === 'integer' || schema.type === 'number' || schema.type === 'boolean') return true;
  return schema.type === 'string' && (schema.pattern !== undefined || schema.format !== undefined);
}

function mapChildren(schema: JsonSchema, change: (child: JsonSchema) => JsonSchema): JsonSchema {
  const each = (child: unknown): unknown => (typeof child === 'object' && child !== null ? change(child as JsonSchema) : child);
  const entries = Object.entries(schema).map(([name, value]): [string, unknown] => {
    if (name === 'properties' || name === '$defs') {
      return [name, Object.fromEntries(Object.entries(value as object).map(([key, child]) => [key, each(child)]))];
    }
    if (name === 'anyOf' || name === 'oneOf' || name === 'allOf') return [name, (value as unknown[]).map(each)];
    return [name, name === 'items' || name === 'additionalProperties' ? each(value) : value];
  });
  return Object.fromEntries(entries);
}
