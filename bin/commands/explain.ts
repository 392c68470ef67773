import type { Command } from 'commander';
import { z } from 'zod';
import { unknownName } from '../../core/unknown-name.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { printable, say, sayJson, tableOf } from './table.ts';

const valueCharactersMax = 60;

const whySchema = z.object({
  entityId: z.string(),
  kind: z.string(),
  version: z.number().nullable(),
  deleted: z.boolean(),
  mergedInto: z.string().nullish(),
  fields: z.array(
    z.object({
      field: z.string(),
      value: z.unknown().optional(),
      source: z.string().nullable(),
      eventId: z.string().nullable(),
      at: z.string().nullable(),
      rule: z.string(),
      overrode: z.array(
        z.object({ source: z.string(), value: z.unknown().optional(), eventId: z.string(), at: z.string().nullable() }),
      ),
    }),
  ),
});

export function addExplainCommand(program: Command): void {
  withClientOptions(program.command('explain <entity>'))
    .description('why the fields of an entity have their values: source, event, rule, and what they overrode')
    .option('--field <field>', 'only this field')
    .action(async (entity: string, options: ClientOptions & { field?: string }) => {
      const query = options.field === undefined ? '' : `?${new URLSearchParams({ field: options.field })}`;
      const path = `/api/entities/${encodeURIComponent(entity)}/explain${query}`;
      const why = await openApiClient(options).get(path, whySchema);
      if (options.json) return sayJson(why);
      if (options.field !== undefined && why.fields.length === 0) throw await unknownField(why.entityId, options);
      say(printable(`${why.entityId}, version ${why.version ?? 'none'}${why.deleted ? ', deleted' : ''}`));
      if (typeof why.mergedInto === 'string') say(printable(`its last record moved to ${why.mergedInto}`));
      const rows = why.fields.flatMap(({ field, value, source, rule, at, eventId, overrode }) => [
        [field, textOf(value), source ?? '', rule, at?.slice(0, 19) ?? '', eventId ?? ''],
        ...overrode.map((lost) => ['', textOf(lost.value), lost.source, 'overridden', lost.at?.slice(0, 19) ?? '', lost.eventId]),
      ]);
      say(tableOf(['field', 'value', 'source', 'rule', 'at', 'event'], rows, 'it has no fields'));
    });
}

function textOf(value: unknown): string {
  return value === undefined ? '(absent)' : JSON.stringify(value).slice(0, valueCharactersMax);
}

async function unknownField(entityId: string, options: ClientOptions & { field?: string }): Promise<Error> {
  const whole = await openApiClient(options).get(`/api/entities/${encodeURIComponent(entityId)}/explain`, whySchema);
  return unknownName(
    'field',
    options.field!,
    whole.fields.map(({ field }) => field),
    entityId,
  );
}
