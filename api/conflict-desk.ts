import type { AnswerSender } from '../core/conflict/answer-sender.ts';
import { type ConflictField, type ConflictSide, existenceField } from '../core/conflict/conflict.ts';
import { type ChosenValues, chooseSides, decidedAtOf, openFieldsOf } from '../core/conflict/side-choice.ts';
import { SyncError } from '../core/errors.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ConflictView, ReadStore } from '../core/ports/read-store.ts';
import type { FieldError } from '../core/problem.ts';

/** What a person decides: new values, a side for every field, sides field by field, or to leave everything as it is. */
export type Ruling =
  | { readonly kind: 'values'; readonly fields: JsonObject }
  | { readonly kind: 'side'; readonly source: string }
  | { readonly kind: 'sides'; readonly sources: Readonly<Record<string, string>> }
  | { readonly kind: 'skip' };

export interface ConflictDeskDeps {
  readonly store: Pick<ReadStore, 'conflict'>;
  readonly answers: Pick<AnswerSender, 'send'>;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** Takes decisions about open conflicts and sends them on their way; the sync manager makes them true. */
export class ConflictDesk {
  readonly #deps: ConflictDeskDeps;

  constructor(deps: ConflictDeskDeps) {
    this.#deps = deps;
  }

  async find(conflictId: string): Promise<ConflictView> {
    const conflict = await this.#deps.store.conflict(conflictId);
    if (conflict === null) throw new SyncError('request.not-found', `there is no conflict ${conflictId}`);
    return conflict;
  }

  /** Resolves with the id of the decision's event when Kafka has it. `asOf` is the conflict's `updatedAt` that the decision was made on. */
  async resolve(conflictId: string, ruling: Ruling, by: string, asOf: string | undefined): Promise<string> {
    const { answers, clock } = this.#deps;
    const conflict = await this.find(conflictId);
    const { entityId, kind, status } = conflict;
    if (status !== 'open') throw new SyncError('conflict.closed', `the conflict is ${status} (${conflict.resolution}) already`);
    refuseRefusal(conflict);
    if (asOf !== undefined && asOf !== conflict.updatedAt) {
      throw new SyncError('request.conflict', `the conflict has moved at ${conflict.updatedAt}: look at its sides again`);
    }
    const fields = conflictFieldsOf(conflict.details);
    const chosen = valuesOf(ruling, fields, conflict.conflictType === 'update-delete');
    const decidedAt = decidedAtOf(clock.nowMs(), fields);
    return answers.send({ entityId, kind, by, answer: { conflictId, decidedAt, skip: ruling.kind === 'skip', ...chosen } });
  }
}

/** What a target refused is no matter of sides. */
function refuseRefusal({ details: { letter, target } }: ConflictView): void {
  if (typeof letter !== 'string') return;
  throw new SyncError(
    'request.conflict',
    `${target} refused the record: mend it at its source, or the table, then \`syncline targets replay ${letter}\`; or \`syncline targets discard ${letter}\` leaves it`,
  );
}

function conflictFieldsOf(details: JsonObject): Readonly<Record<string, ConflictField>> {
  // The conflict engine alone writes these details.
  return isJsonObject(details.fields) ? (details.fields as unknown as Readonly<Record<string, ConflictField>>) : {};
}

function valuesOf(ruling: Ruling, fields: Readonly<Record<string, ConflictField>>, isExistence: boolean): ChosenValues {
  switch (ruling.kind) {
    case 'skip':
      return { fields: {}, removed: [] };
    case 'values':
      refuse(Object.keys(ruling.fields).flatMap((name) => valueFault(name, ruling.fields, fields, isExistence)));
      return { fields: ruling.fields, removed: [] };
    case 'side': {
      refuse(openFieldsOf(fields).flatMap(([name, field]) => sideFault('choose', name, field, ruling.source)));
      return chooseSides(fields, (_name, { sides }) => sideOf(sides, ruling.source));
    }
    case 'sides': {
      const { sources } = ruling;
      const chosen = Object.entries(sources);
      refuse(chosen.flatMap(([name, source]) => choiceFault(name, source, fields)));
      return chooseSides(fields, (name, { sides }) => (Object.hasOwn(sources, name) ? sideOf(sides, sources[name]!) : undefined));
    }
  }
}

function valueFault(
  name: string,
  values: JsonObject,
  fields: Readonly<Record<string, ConflictField>>,
  isExistence: boolean,
): FieldError[] {
  const path = `fields.${name}`;
  if (!isOpen(name, fields)) return [notOpen(path, name, fields)];
  if (!isExistence || typeof values[name] === 'boolean') return [];
  return [{ field: path, code: 'invalid_type', message: `\`${existenceField}\` is true or false` }];
}

function choiceFault(name: string, source: string, fields: Readonly<Record<string, ConflictField>>): FieldError[] {
  const path = `choose.${name}`;
  return isOpen(name, fields) ? sideFault(path, name, fields[name]!, source) : [notOpen(path, name, fields)];
}

function sideFault(path: string, name: string, { sides }: ConflictField, source: string): FieldError[] {
  if (sideOf(sides, source) !== undefined) return [];
  const names = sides.map((side) => side.source).join(', ');
  return [{ field: path, code: 'unknown', message: `${source} is no side of the field ${name}; there are ${names}` }];
}

function sideOf(sides: readonly ConflictSide[], source: string): ConflictSide | undefined {
  return sides.find((side) => side.source === source);
}

function isOpen(name: string, fields: Readonly<Record<string, ConflictField>>): boolean {
  return Object.hasOwn(fields, name) && fields[name]!.status === 'open';
}

function notOpen(path: string, name: string, fields: Readonly<Record<string, ConflictField>>): FieldError {
  if (Object.hasOwn(fields, name))
    return { field: path, code: 'closed', message: `the field ${name} is ${fields[name]!.status} already` };
  const names = openFieldsOf(fields).map(([open]) => open);
  return { field: path, code: 'unknown', message: `the conflict has no field ${name}; open are ${names.join(', ')}` };
}

function refuse(errors: readonly FieldError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  throw new SyncError('request.invalid', `body: ${first.field}: ${first.message}`, { details: { errors } });
}
