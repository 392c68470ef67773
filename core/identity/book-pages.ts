import type { EntityId } from '../change-event.ts';
import { type Binding, type BindingTurn, type RecordName, recordNameOf } from './binding.ts';

/** A match key and the entity that holds it; null: nobody does any more. */
export interface MatchKeyRow {
  readonly kind: string;
  readonly matchKey: string;
  readonly entityId: EntityId | null;
}

export interface LandedTurn extends RecordName {
  readonly offset: number;
}

/** What was changed in the pages. */
export interface PageChanges {
  readonly bindings: readonly Binding[];
  readonly matchKeys: readonly MatchKeyRow[];
  readonly turns: readonly BindingTurn[];
  readonly landed: readonly LandedTurn[];
}

/** Bindings, match keys and their history, whole or as far as a batch needs them. Notes what is changed. */
export class BookPages {
  readonly #bindings = new Map<string, Binding>();
  readonly #byEntity = new Map<EntityId, Set<string>>();
  readonly #holders = new Map<string, MatchKeyRow>();
  readonly #turns = new Map<string, BindingTurn[]>();
  /** By entity: records that have left it, as far as it may not have heard of it yet. */
  readonly #leaving = new Map<EntityId, BindingTurn[]>();
  readonly #taken = new Set<EntityId>();
  #changedBindings = new Map<string, Binding>();
  #changedHolders = new Map<string, MatchKeyRow>();
  #newTurns: BindingTurn[] = [];
  #landed: LandedTurn[] = [];

  /** What stands there already. */
  load(bindings: readonly Binding[], holders: readonly MatchKeyRow[], turns: readonly BindingTurn[]): void {
    for (const binding of bindings) this.#place(binding);
    for (const holder of holders) this.#holders.set(holderName(holder.kind, holder.matchKey), holder);
    for (const turn of turns) this.#remember(turn);
  }

  loadLeaving(turns: readonly BindingTurn[]): void {
    for (const turn of turns) this.#depart(turn);
  }

  loadTaken(names: readonly EntityId[]): void {
    for (const name of names) this.#taken.add(name);
  }

  bindingOf(record: RecordName): Binding | undefined {
    return this.#bindings.get(recordNameOf(record));
  }

  bindings(): readonly Binding[] {
    return [...this.#bindings.values()];
  }

  bindingsAt(entityId: EntityId): readonly Binding[] {
    return [...(this.#byEntity.get(entityId) ?? [])].map((name) => this.#bindings.get(name)!);
  }

  turnsOf(record: RecordName): readonly BindingTurn[] {
    return this.#turns.get(recordNameOf(record)) ?? [];
  }

  holderOf(kind: string, matchKey: string): EntityId | undefined {
    return this.#holders.get(holderName(kind, matchKey))?.entityId ?? undefined;
  }

  matchKeysOf(kind: string, entityId: EntityId): string[] {
    return [...this.#holders.values()].filter((row) => row.kind === kind && row.entityId === entityId).map((row) => row.matchKey);
  }

  /** Keys of the source whose records have left the entity without its having heard of it for certain. */
  leaving(entityId: EntityId, source: string): readonly string[] {
    return (this.#leaving.get(entityId) ?? []).filter((turn) => turn.source === source).map((turn) => turn.key);
  }

  /** Whether any record has ever stood under this name. */
  isTaken(name: EntityId): boolean {
    return this.#taken.has(name) || (this.#byEntity.get(name)?.size ?? 0) > 0;
  }

  putBinding(binding: Binding): void {
    this.#place(binding);
    this.#changedBindings.set(recordNameOf(binding), binding);
  }

  hold(kind: string, matchKey: string, entityId: EntityId | null): void {
    const row = { kind, matchKey, entityId };
    this.#holders.set(holderName(kind, matchKey), row);
    this.#changedHolders.set(holderName(kind, matchKey), row);
  }

  addTurn(turn: BindingTurn): void {
    this.#remember(turn);
    if (turn.reason !== 'conflict' && turn.reason !== 'returned') this.#depart(turn);
    this.#newTurns.push(turn);
  }

  land(record: RecordName, offset: number): void {
    const { source, kind, key } = record;
    const name = recordNameOf(record);
    for (const [entityId, turns] of this.#leaving) {
      this.#leaving.set(
        entityId,
        turns.filter((turn) => turn.offset !== offset || recordNameOf(turn) !== name),
      );
    }
    this.#landed.push({ source, kind, key, offset });
  }

  takeChanges(): PageChanges {
    const changes = {
      bindings: [...this.#changedBindings.values()],
      matchKeys: [...this.#changedHolders.values()],
      turns: this.#newTurns,
      landed: this.#landed,
    };
    this.#changedBindings = new Map();
    this.#changedHolders = new Map();
    this.#newTurns = [];
    this.#landed = [];
    return changes;
  }

  #place(binding: Binding): void {
    const name = recordNameOf(binding);
    const before = this.#bindings.get(name);
    if (before !== undefined) this.#byEntity.get(before.entityId)?.delete(name);
    this.#bindings.set(name, binding);
    const there = this.#byEntity.get(binding.entityId) ?? new Set();
    this.#byEntity.set(binding.entityId, there.add(name));
  }

  #remember(turn: BindingTurn): void {
    const name = recordNameOf(turn);
    const known = this.#turns.get(name) ?? [];
    if (known.some(({ offset }) => offset === turn.offset)) return;
    this.#turns.set(name, [...known, turn]);
    for (const entityId of [turn.entityId, turn.previous]) if (entityId !== null) this.#taken.add(entityId);
  }

  #depart(turn: BindingTurn): void {
    const from = turn.previous!;
    this.#leaving.set(from, [...(this.#leaving.get(from) ?? []), turn]);
  }
}

function holderName(kind: string, matchKey: string): string {
  return `${kind}\0${matchKey}`;
}
