import type { EntityId } from '../change-event.ts';
import type { BindRequest, BindResult, ChangeRequest, RelinkRequest } from '../ports/identity-store.ts';
import { type Binding, type BindingTurn, boundTo, judgedBefore, movedBy, needsJudgement, recordNameOf } from './binding.ts';
import type { BookPages } from './book-pages.ts';

/** A source that has a living record under each of two entities. */
export interface Rival {
  readonly source: string;
  readonly keys: readonly [from: string, into: string];
}

export type MergeVerdict =
  | { readonly kind: 'begun'; readonly moving: readonly Binding[] }
  | { readonly kind: 'refused'; readonly rivals: readonly Rival[] };

/** `tenure` is undefined where no other record of the source is or was. */
type Slot = { readonly tenure: number | undefined } | { readonly heldBy: string };

/**
 * Who is who, as far as its pages go: every decision about bindings, as a function of the pages and the requests alone.
 * The requests of one key come in the order of the log.
 */
export class IdentityBook {
  readonly #pages: BookPages;

  constructor(pages: BookPages) {
    this.#pages = pages;
  }

  bind(request: BindRequest): BindResult {
    const binding = this.#pages.bindingOf(request);
    if (request.type === 'rejoin') return this.#land(binding, request.movedAt, request.offset);
    const before = judgedBefore(binding, this.#pages.turnsOf(request), request);
    if (before !== undefined) return before;
    if (request.type === 'relink') return binding === undefined ? { kind: 'settled' } : this.#relink(binding, request);
    if (binding === undefined) return this.#enter(request);
    if (!needsJudgement(binding, request)) return boundTo(binding);
    return request.matchKeys === null ? this.#end(binding, request) : this.#look(binding, request, request.matchKeys);
  }

  /**
   * All that stands under one entity shall stand under another: the match keys do from now on, the records when they are told
   * to. Returns those, or where a source has a living record under both, whose they are, and changes nothing.
   */
  merge(kind: string, from: EntityId, into: EntityId): MergeVerdict {
    const moving = this.#pages.bindingsAt(from);
    const rivals = moving.flatMap(({ source, key, gone }): Rival[] => {
      if (gone) return [];
      const other = this.#pages.bindingsAt(into).find((binding) => binding.source === source && !binding.gone);
      return other === undefined ? [] : [{ source, keys: [key, other.key] }];
    });
    if (rivals.length > 0) return { kind: 'refused', rivals };
    for (const matchKey of this.#pages.matchKeysOf(kind, from)) this.#pages.hold(kind, matchKey, into);
    return { kind: 'begun', moving };
  }

  #land(binding: Binding | undefined, movedAt: number, offset: number): BindResult {
    if (binding === undefined) return { kind: 'settled' };
    if (!binding.awaiting.includes(movedAt)) return this.#standing(binding, offset);
    const landed = { ...binding, awaiting: binding.awaiting.filter((awaited) => awaited !== movedAt) };
    this.#pages.putBinding(landed);
    this.#pages.land(landed, movedAt);
    return this.#standing(landed, offset);
  }

  #standing(binding: Binding, offset: number): BindResult {
    return judgedBefore(binding, this.#pages.turnsOf(binding), { type: 'rejoin', offset }) ?? boundTo(binding);
  }

  /** A record that nobody has seen. */
  #enter(request: ChangeRequest): BindResult {
    const { source, kind, key, offset, position, matchKeys } = request;
    const known = matchKeys?.find((matchKey) => this.#pages.holderOf(kind, matchKey) !== undefined);
    const free = request.names.find((name) => !this.#pages.isTaken(name));
    const entityId = known === undefined ? free : this.#pages.holderOf(kind, known)!;
    if (entityId === undefined) return this.#refuse(request, undefined, request.names[0]!, request.names[0]!);
    const slot = this.#slotOf(request, entityId, matchKeys === null);
    if ('heldBy' in slot) return this.#refuse(request, undefined, known ?? entityId, slot.heldBy);
    const binding: Binding = {
      source,
      kind,
      key,
      entityId,
      tenure: slot.tenure ?? 0,
      sinceOffset: offset,
      seenOffset: offset,
      position,
      matchKeys: matchKeys ?? [],
      gone: matchKeys === null,
      contested: false,
      awaiting: [],
    };
    this.#pages.putBinding(binding);
    this.#claim(binding, binding.matchKeys!);
    return boundTo(binding);
  }

  /** Deleted at its source: it keeps its place, and stands in nobody's way from now on. */
  #end(binding: Binding, { offset, position }: ChangeRequest): BindResult {
    const ended = { ...binding, gone: true, contested: false, seenOffset: offset, position };
    this.#pages.putBinding(ended);
    return boundTo(ended);
  }

  #look(binding: Binding, request: ChangeRequest, matchKeys: readonly string[]): BindResult {
    const drawn = this.#drawnTo(binding, matchKeys);
    if (drawn !== undefined) {
      const slot = this.#slotOf(request, drawn.entityId, false);
      if ('heldBy' in slot) return this.#refuse(request, binding, drawn.matchKey, slot.heldBy);
      const seen = { ...binding, position: request.position, matchKeys, gone: false, contested: false };
      return this.#move(seen, binding, drawn.entityId, slot.tenure ?? 0, {
        offset: request.offset,
        reason: 'match-key',
        matchKey: drawn.matchKey,
        by: null,
        eventId: null,
      });
    }
    return this.#stay(binding, request, matchKeys);
  }

  #stay(binding: Binding, request: ChangeRequest, matchKeys: readonly string[]): BindResult {
    const { offset, position } = request;
    let { tenure, sinceOffset } = binding;
    if (binding.gone) {
      const slot = this.#slotOf(request, binding.entityId, false);
      if ('heldBy' in slot) return this.#refuse(request, binding, matchKeys[0] ?? binding.entityId, slot.heldBy);
      // Others had its place meanwhile: what it says now comes after them, what it said before does not.
      if (slot.tenure !== undefined && slot.tenure > tenure) {
        this.#pages.addTurn(turnOf(binding, offset, { reason: 'returned', entityId: binding.entityId }));
        tenure = slot.tenure;
        sinceOffset = offset;
      }
    }
    const before = binding.matchKeys;
    const seen = { ...binding, tenure, sinceOffset, seenOffset: offset, position, matchKeys, gone: false, contested: false };
    this.#pages.putBinding(seen);
    this.#claim(seen, matchKeys);
    for (const matchKey of before ?? []) if (!matchKeys.includes(matchKey)) this.#release(seen, matchKey, binding.entityId);
    return boundTo(seen);
  }

  /**
   * The first of the keys that says anything, the most trusted first. One that is new to the record and held by another
   * entity draws it there; one that others of its own entity share keeps it.
   */
  #drawnTo(
    binding: Binding,
    matchKeys: readonly string[],
  ): { readonly entityId: EntityId; readonly matchKey: string } | undefined {
    // Keys that are seen for the first time of a record bound before are how it was found, not a change.
    if (binding.matchKeys === null) return undefined;
    for (const matchKey of matchKeys) {
      const holder = this.#pages.holderOf(binding.kind, matchKey);
      if (holder === binding.entityId) {
        if (this.#othersHave(binding, binding.entityId, matchKey)) return undefined;
      } else if (holder !== undefined && !binding.matchKeys.includes(matchKey)) {
        return { entityId: holder, matchKey };
      }
    }
    return undefined;
  }

  #relink(binding: Binding, request: RelinkRequest): BindResult {
    const { to, offset, reason, by, eventId } = request;
    if (to === binding.entityId) {
      this.#pages.putBinding({ ...binding, seenOffset: offset });
      return { kind: 'settled' };
    }
    const slot = this.#slotOf(request, to, binding.gone);
    if ('heldBy' in slot) return this.#refuse(request, binding, to, slot.heldBy);
    return this.#move(binding, binding, to, slot.tenure ?? 0, { offset, reason, matchKey: null, by, eventId });
  }

  #move(
    seen: Binding,
    before: Binding,
    to: EntityId,
    tenure: number,
    cause: Pick<BindingTurn, 'offset' | 'reason' | 'matchKey' | 'by' | 'eventId'>,
  ): BindResult {
    const { offset } = cause;
    const moved = {
      ...seen,
      entityId: to,
      tenure,
      sinceOffset: offset,
      seenOffset: offset,
      awaiting: [...seen.awaiting, offset],
    };
    const turn = { ...turnOf(before, offset, { reason: cause.reason, entityId: to }), ...cause };
    this.#pages.putBinding(moved);
    this.#pages.addTurn(turn);
    // What nobody there has any more goes with the record, or is free.
    for (const matchKey of new Set([...(before.matchKeys ?? []), ...(seen.matchKeys ?? [])])) {
      if (this.#pages.holderOf(seen.kind, matchKey) === before.entityId) this.#release(moved, matchKey, before.entityId);
    }
    this.#claim(moved, moved.matchKeys ?? []);
    return movedBy(turn);
  }

  #refuse(
    { source, kind, key, offset, ...request }: ChangeRequest | RelinkRequest,
    binding: Binding | undefined,
    matchKey: string,
    heldBy: string,
  ): BindResult {
    if (binding !== undefined) {
      const contest = request.type === 'change' ? { contested: true, position: request.position } : {};
      this.#pages.putBinding({ ...binding, seenOffset: offset, ...contest });
    }
    const turn = turnOf(binding ?? { source, kind, key }, offset, { reason: 'conflict', entityId: binding?.entityId ?? null });
    this.#pages.addTurn({ ...turn, matchKey, heldBy });
    return { kind: 'conflict', matchKey, heldBy };
  }

  /**
   * The place of the record's source under an entity. It is another record's while that lives, and while that is leaving:
   * what is said of the one must not be taken for the other. A record that is gone takes the last place.
   */
  #slotOf(record: { readonly source: string; readonly key: string }, entityId: EntityId, gone: boolean): Slot {
    const { source, key } = record;
    const others = this.#pages.bindingsAt(entityId).filter((other) => other.source === source && other.key !== key);
    const rival = gone ? undefined : others.find((other) => !other.gone);
    const heldBy = rival?.key ?? this.#pages.leaving(entityId, source).find((leaver) => leaver !== key);
    if (heldBy !== undefined) return { heldBy };
    const tenures = others.map((other) => other.tenure);
    if (tenures.length === 0) return { tenure: undefined };
    return { tenure: gone ? Math.min(...tenures) - 1 : Math.max(...tenures) + 1 };
  }

  #claim(binding: Binding, matchKeys: readonly string[]): void {
    for (const matchKey of matchKeys) {
      if (this.#pages.holderOf(binding.kind, matchKey) === undefined) this.#pages.hold(binding.kind, matchKey, binding.entityId);
    }
  }

  /** A match key stays with its entity as long as any record there has it. */
  #release(binding: Binding, matchKey: string, entityId: EntityId): void {
    if (this.#pages.holderOf(binding.kind, matchKey) !== entityId || this.#othersHave(binding, entityId, matchKey)) return;
    this.#pages.hold(binding.kind, matchKey, null);
  }

  #othersHave(binding: Binding, entityId: EntityId, matchKey: string): boolean {
    const own = recordNameOf(binding);
    return this.#pages
      .bindingsAt(entityId)
      .some((other) => recordNameOf(other) !== own && (other.matchKeys === null || other.matchKeys.includes(matchKey)));
  }
}

function turnOf(
  { source, kind, key, ...was }: Pick<Binding, 'source' | 'kind' | 'key'> & Partial<Pick<Binding, 'entityId' | 'tenure'>>,
  offset: number,
  { reason, entityId }: Pick<BindingTurn, 'reason' | 'entityId'>,
): BindingTurn {
  const { entityId: previous = null, tenure: previousTenure = 0 } = was;
  const nothing = { matchKey: null, heldBy: null, by: null, eventId: null };
  return { source, kind, key, offset, reason, entityId, previous, previousTenure, ...nothing };
}
