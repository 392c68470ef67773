import type { EntityId } from '../../core/change-event.ts';
import type { BindRequest, BindResult, IdentityStore } from '../../core/ports/identity-store.ts';
import { atOnce, type Pace } from './pace.ts';

/** The bindings, shared by every process. */
export class BindingRows {
  readonly #entityOfKey = new Map<string, EntityId>();
  readonly #entityOfMatchKey = new Map<string, EntityId>();
  /** Which key each source has in an entity. */
  readonly #keyOfEntity = new Map<string, string>();

  bind(request: BindRequest): BindResult {
    const { source, kind, key, firstName } = request;
    const bound = this.#entityOfKey.get(nameOf(source, kind, key));
    if (bound !== undefined) return { kind: 'bound', entityId: bound };
    const matchKeys = request.matchKeys.filter((matchKey) => matchKey !== '');
    const known = matchKeys.find((matchKey) => this.#entityOfMatchKey.has(nameOf(kind, matchKey)));
    const entityId = known === undefined ? firstName : this.#entityOfMatchKey.get(nameOf(kind, known))!;
    const heldBy = this.#keyOfEntity.get(nameOf(source, kind, entityId));
    if (heldBy !== undefined) return { kind: 'conflict', matchKey: known ?? entityId, heldBy };
    this.#entityOfKey.set(nameOf(source, kind, key), entityId);
    this.#keyOfEntity.set(nameOf(source, kind, entityId), key);
    for (const matchKey of matchKeys) {
      const name = nameOf(kind, matchKey);
      if (!this.#entityOfMatchKey.has(name)) this.#entityOfMatchKey.set(name, entityId);
    }
    return { kind: 'bound', entityId };
  }
}

export class MemoryIdentityStore implements IdentityStore {
  readonly #rows: BindingRows;
  readonly #pace: Pace;

  constructor(rows: BindingRows, pace: Pace = atOnce) {
    this.#rows = rows;
    this.#pace = pace;
  }

  bind(requests: readonly BindRequest[]): Promise<readonly BindResult[]> {
    return this.#pace('identity.bind', () => requests.map((request) => this.#rows.bind(request)));
  }
}

function nameOf(...parts: readonly string[]): string {
  return parts.join('\0');
}
