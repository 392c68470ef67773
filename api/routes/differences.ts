import { z } from 'zod';
import { differenceKinds } from '../../core/differences/difference.ts';
import { SyncError } from '../../core/errors.ts';
import type { DifferenceRebuilds } from '../../core/ports/difference-pairs.ts';
import type { ReadStore } from '../../core/ports/read-store.ts';
import { answerOf, dataAnswer, instantAnswer, pageAnswer, pageParameters, pageRequestOf, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';
import type { SourceTypeOf } from './source-type.ts';

const sides = {
  leftSource: z.string().describe('The left source as it stands in `source_type`.'),
  rightSource: z.string(),
  entityKind: z.string(),
};

const differenceAnswer = z
  .object({
    entityId: z.string(),
    ...sides,
    kind: z.enum(differenceKinds),
    fields: dataAnswer.describe('Per field that differs what each side has: `{"price": {"left": 10, "right": 12}}`.'),
    since: instantAnswer.describe('Since when the entity differs in this way, whatever the fields.'),
  })
  .meta({ id: 'Difference' });

const summaryAnswer = z.object({
  ...sides,
  state: z.enum(['building', 'exact']).describe('`building` until everything was compared by the configuration in force.'),
  onlyLeft: z.number().int(),
  onlyRight: z.number().int(),
  differs: z.number().int(),
});

const pairFields = {
  left: textParameter(50, 'The left source of a pair, by its name.').optional(),
  right: textParameter(50, 'The right source of a pair, by its name.').optional(),
  kind: textParameter(50, 'A kind of entity.').optional(),
};

interface AskedPair {
  readonly left?: string | undefined;
  readonly right?: string | undefined;
  readonly kind?: string | undefined;
}

export function differenceRoutes(store: ReadStore, rebuilds: DifferenceRebuilds, sourceTypeOf: SourceTypeOf): Route[] {
  return [
    declareRoute({
      method: 'get',
      path: '/api/differences',
      role: 'viewer',
      id: 'listDifferences',
      tag: 'Differences',
      summary: 'Entities that two compared sources hold differently, by id.',
      query: z.strictObject({
        ...pairFields,
        entity_id: textParameter(100, 'The id of an entity, `products:SKU-1`.').optional(),
        difference: z
          .enum(differenceKinds)
          .optional()
          .describe('Only at the left source, only at the right, or at both and different.'),
        field: textParameter(100, 'A field that differs.').optional(),
        ...pageParameters,
      }),
      answer: pageAnswer(differenceAnswer),
      async handle({ query }) {
        const filter = {
          ...sidesOf(query, sourceTypeOf),
          entityKind: query.kind,
          entityId: query.entity_id,
          kind: query.difference,
          field: query.field,
        };
        const page = await store.differences(filter, pageRequestOf(query, ['text', 'text', 'text']));
        if (page.rows.length === 0) await requirePair('query', query, sourceTypeOf, store);
        return answerOf(page, (row) => row);
      },
    }),
    declareRoute({
      method: 'get',
      path: '/api/differences/summary',
      role: 'viewer',
      id: 'summarizeDifferences',
      tag: 'Differences',
      summary: 'How many entities differ, per pair of sources and kind of entity.',
      answer: z.object({ pairs: z.array(summaryAnswer).readonly() }),
      async handle() {
        return { pairs: await store.differenceSummary() };
      },
    }),
    declareRoute({
      method: 'post',
      path: '/api/differences/rebuild',
      role: 'operator',
      id: 'rebuildDifferences',
      tag: 'Differences',
      summary: 'Compares everything of the named pairs anew, while the stream goes on.',
      description:
        'Never needed in normal work. Rows stay as they are until they are compared; the pairs are `building` meanwhile.',
      body: z.strictObject(pairFields),
      status: 202,
      answer: z.object({ pairs: z.number().int().describe('How many pairs, each of one kind, are compared anew.') }),
      async handle({ body }) {
        const pairs = await rebuilds.request({ ...sidesOf(body, sourceTypeOf), kind: body.kind });
        if (pairs === 0) await requirePair('body', body, sourceTypeOf, store);
        return { pairs };
      },
    }),
  ];
}

function sidesOf({ left, right }: AskedPair, sourceTypeOf: SourceTypeOf) {
  return { leftSource: sourceTypeOf(left), rightSource: sourceTypeOf(right) };
}

/** Asked only where nothing was found: nothing differs, or nothing like that is compared. */
async function requirePair(where: string, asked: AskedPair, sourceTypeOf: SourceTypeOf, store: ReadStore): Promise<void> {
  const { left, right, kind } = asked;
  const field = left !== undefined ? 'left' : right !== undefined ? 'right' : kind !== undefined ? 'kind' : undefined;
  if (field === undefined) return;
  const { leftSource, rightSource } = sidesOf(asked, sourceTypeOf);
  const pairs = await store.differenceSummary();
  const isAsked = (is: string, wanted: string | undefined) => wanted === undefined || is === wanted;
  const found = pairs.some(
    (pair) => isAsked(pair.leftSource, leftSource) && isAsked(pair.rightSource, rightSource) && isAsked(pair.entityKind, kind),
  );
  if (found) return;
  const names = pairs.map((pair) => `${pair.leftSource} ${pair.rightSource} ${pair.entityKind}`).join(', ');
  const message =
    pairs.length === 0 ? 'no sources are compared' : `no such pair is compared; there are (left, right, kind): ${names}`;
  throw new SyncError('request.invalid', `${where}: ${message}`, { details: { errors: [{ field, code: 'invalid', message }] } });
}
