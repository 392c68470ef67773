import { z } from 'zod';
import { isSyncError } from '../errors.ts';
import { compileMapping, mappingSchema } from '../mapping/mapping.ts';
import type { Report } from './config-checks.ts';
import { nearestName } from './suggestion.ts';

const systemSchema = z.object({ type: z.unknown(), entities: z.record(z.string(), z.unknown()) });
const entitySchema = z.object({ key: z.array(z.string()), mapping: mappingSchema.optional() });

type Systems = Readonly<Record<string, unknown>>;

/** What targets say of kinds and types must fit what the sources say; what could not be parsed has been objected to already. */
export function checkTargets(targets: Systems, sources: Systems, report: Report): void {
  const types = new Map(Object.entries(sources).flatMap(([name, source]) => typeOf(name, source)));
  const kinds = new Set(
    Object.values(sources).flatMap((source) => Object.keys(systemSchema.safeParse(source).data?.entities ?? {})),
  );
  for (const [name, written] of Object.entries(targets)) {
    const target = systemSchema.safeParse(written).data;
    if (target === undefined) continue;
    checkType(name, target.type, types, report);
    for (const [kind, entity] of Object.entries(target.entities)) {
      const path = ['targets', name, 'entities', kind];
      if (!kinds.has(kind)) {
        const near = nearestName(kind, kinds);
        report(path, `no source has the kind \`${kind}\`${near === undefined ? '' : `: did you mean \`${near}\`?`}`);
      }
      checkEntity(path, entity, report);
    }
  }
}

/** A system that is source and target has one name and one type; any other type belongs to one system alone. */
function checkType(name: string, type: unknown, types: Map<unknown, string>, report: Report): void {
  const path = ['targets', name, 'type'];
  if (type === 'GOLDEN' || type === 'OPERATOR') report(path, `${type} is a type of our own: choose another`);
  const own = [...types].find(([, holder]) => holder === name)?.[0];
  if (own !== undefined && own !== type)
    report(path, `the source \`${name}\` is the same system and has the type ${String(own)}`);
  const holder = types.get(type);
  if (own === undefined && holder !== undefined) report(path, `the type ${String(type)} is that of \`${holder}\``);
  if (own === undefined && holder === undefined) types.set(type, name);
}

function typeOf(name: string, system: unknown): [unknown, string][] {
  const parsed = systemSchema.safeParse(system).data;
  return parsed === undefined ? [] : [[parsed.type, name]];
}

function checkEntity(path: readonly string[], written: unknown, report: Report): void {
  const entity = entitySchema.safeParse(written).data;
  if (entity?.mapping === undefined) return;
  try {
    compileMapping(entity.mapping);
  } catch (error) {
    if (!isSyncError(error)) throw error;
    report([...path, 'mapping'], error.message);
  }
}
