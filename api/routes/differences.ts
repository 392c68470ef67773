import { z } from 'zod';
import { differenceKinds } from '../../core/differences/difference.ts';
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
          leftSource: sourceTypeOf(query.left),
          rightSource: sourceTypeOf(query.right),
          entityKind: query.kind,
          entityId: query.entity_id,
          kind: query.difference,
          field: query.field,
        };
        return answerOf(await store.differences(filter, pageRequestOf(query, ['text', 'text', 'text'])), (row) => row);
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
        const filter = { leftSource: sourceTypeOf(body.left), rightSource: sourceTypeOf(body.right), kind: body.kind };
        return { pairs: await rebuilds.request(filter) };
      },
    }),
  ];
}
