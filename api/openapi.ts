import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Route } from './route.ts';

/** A kind of event that may be posted, as the documentation shows it. */
export interface IngestDocument {
  readonly source: string;
  readonly kind: string;
  readonly keyFields: readonly string[];
  readonly schema: z.ZodType;
}

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().describe('From the error catalogue.'),
    fix: z.string(),
    errors: z
      .array(z.object({ index: z.number().int().optional(), field: z.string(), code: z.string(), message: z.string() }))
      .optional()
      .describe('Every field at fault.'),
    correlationId: z.string().optional(),
  })
  .meta({ id: 'Problem' });

const problem = {
  description: 'What went wrong, by RFC 9457.',
  content: { 'application/problem+json': { schema: problemSchema } },
};
const acceptedSchema = z
  .object({ id: z.string().describe('The id of the event.'), correlationId: z.string() })
  .meta({ id: 'Accepted' });
const acceptedBatchSchema = z.object({ ids: z.array(z.string()), correlationId: z.string() }).meta({ id: 'AcceptedBatch' });

const ingestHeaders = z.object({
  'idempotency-key': z
    .string()
    .max(255)
    .optional()
    .describe('Sending the same request under the same key twice is sending it once.'),
  'x-correlation-id': z
    .string()
    .max(128)
    .optional()
    .describe('Found again in every log line and table row; by default the event id.'),
});

const ingestQuery = z.object({ source: z.string().optional().describe('Where several sources have this type.') });

export function openApiDocument(version: string, routes: readonly Route[], ingest: readonly IngestDocument[]) {
  const paths: ZodOpenApiPathsObject = { ...operatingPaths(), ...ingestPaths(ingest) };
  for (const [path, ofPath] of Map.groupBy(routes, (route) => route.path)) {
    paths[path] = Object.fromEntries(ofPath.map((route) => [route.method, operationOf(route)]));
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Syncline',
      version,
      description: 'Query parameters are written_so, fields of answers writtenSo.',
      license: { name: 'MIT' },
    },
    servers: [{ url: '/' }],
    components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key.' } } },
    paths,
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  return {
    operationId: route.id,
    tags: [route.tag],
    summary: route.summary,
    description: `${route.description ?? ''}Needs the role ${route.role}.`,
    security: [{ apiKey: [] }],
    requestParams: {
      ...(route.params === undefined ? {} : { path: route.params }),
      ...(route.query === undefined ? {} : { query: route.query }),
    },
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: route.body } } } }),
    responses: {
      [`${route.status ?? 200}`]: { description: 'Done.', content: { 'application/json': { schema: route.answer } } },
      default: problem,
    },
  };
}

function ingestPaths(documents: readonly IngestDocument[]): ZodOpenApiPathsObject {
  const paths: ZodOpenApiPathsObject = {};
  for (const document of documents) {
    const { kind } = document;
    for (const path of kind === 'users' ? ['/users', `/events/${kind}`] : [`/events/${kind}`]) {
      // Where two sources have the kind, the first one's schema stands for both: the address is the same.
      paths[path] ??= { post: ingestOperation(document, path) };
      if (document.keyFields.length > 0) paths[`${path}/{key}`] ??= { delete: removalOperation(document, path) };
    }
  }
  return paths;
}

function ingestOperation({ source, kind, keyFields, schema }: IngestDocument, path: string): ZodOpenApiOperationObject {
  const key = keyFields.length === 0 ? 'Each is an entity of its own.' : `The key is ${keyFields.join(', ')}.`;
  return {
    operationId: path === '/users' ? 'postUser' : `post_${kind.replaceAll('-', '_')}`,
    tags: ['Ingest'],
    summary: `Takes one ${kind} record, or an array of them, for ${source}.`,
    description: `Answered when Kafka has acknowledged it, and not before. A batch is all or nothing. ${key}`,
    security: [{}, { apiKey: [] }],
    requestParams: { header: ingestHeaders, query: ingestQuery },
    requestBody: { required: true, content: { 'application/json': { schema: z.union([schema, z.array(schema).min(1)]) } } },
    responses: {
      200: {
        description: 'Kafka has it.',
        content: { 'application/json': { schema: z.union([acceptedSchema, acceptedBatchSchema]) } },
      },
      default: problem,
    },
  };
}

function removalOperation({ source, kind, keyFields }: IngestDocument, path: string): ZodOpenApiOperationObject {
  return {
    operationId: path === '/users' ? 'deleteUser' : `delete_${kind.replaceAll('-', '_')}`,
    tags: ['Ingest'],
    summary: `Takes the word that ${source} has deleted this ${kind} record.`,
    description: 'Answered when Kafka has acknowledged it, and not before.',
    security: [{}, { apiKey: [] }],
    requestParams: {
      path: z.object({ key: z.string().describe(`The key: ${keyFields.join(', ')}.`) }),
      header: ingestHeaders,
      query: ingestQuery,
    },
    responses: {
      200: { description: 'Kafka has it.', content: { 'application/json': { schema: acceptedSchema } } },
      default: problem,
    },
  };
}

function operatingPaths(): ZodOpenApiPathsObject {
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } });
  const notReady = z.object({ status: z.literal('ready') });
  return {
    '/health': {
      get: {
        operationId: 'getHealth',
        tags: ['Operate'],
        summary: 'This process is alive.',
        responses: { 200: { description: 'Alive.', content: json(z.object({ status: z.literal('alive') })) } },
      },
    },
    '/ready': {
      get: {
        operationId: 'getReady',
        tags: ['Operate'],
        summary: 'Everything that is needed works.',
        responses: { 200: { description: 'Ready.', content: json(notReady) }, 503: problem },
      },
    },
    '/metrics': {
      get: {
        operationId: 'getMetrics',
        tags: ['Operate'],
        summary: 'Figures for Prometheus.',
        responses: { 200: { description: 'Text.', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
  };
}
