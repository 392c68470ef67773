import { type EntityId, type EventId, goldenSourceType } from '../core/change-event.ts';
import type { SynclineConfig } from '../core/config/config.ts';
import { SyncError } from '../core/errors.ts';
import type { Binding, RecordName } from '../core/identity/binding.ts';
import { departureOf } from '../core/identity/departure.ts';
import { entityIdOf, ownNameOf } from '../core/identity/identity.ts';
import type { RelinkSender } from '../core/identity/relink-sender.ts';
import type { EntityLinks, IdentityRegistry } from '../core/ports/identity-registry.ts';
import type { ReadStore } from '../core/ports/read-store.ts';
import { unknownName } from '../core/unknown-name.ts';
import { unknownEntity } from './entity-desk.ts';

export interface IdentityDeskDeps {
  readonly registry: IdentityRegistry;
  readonly relinks: Pick<RelinkSender, 'send'>;
  readonly store: Pick<ReadStore, 'syncStatesOf'>;
  readonly sources: SynclineConfig['sources'];
}

/** Orders to move records between entities. The order is checked here, and once more where it takes place. */
export class IdentityDesk {
  readonly #deps: IdentityDeskDeps;

  constructor(deps: IdentityDeskDeps) {
    this.#deps = deps;
  }

  async links(entityId: string): Promise<EntityLinks> {
    const links = await this.#deps.registry.linksOf(entityId);
    if (links !== null) return links;
    const [state] = await this.#deps.store.syncStatesOf(entityId);
    if (state === undefined) throw unknownEntity(entityId);
    // Without match keys an entity is its key, and there is nothing to link.
    return { entityId, kind: state.kind, records: [], matchKeys: [], history: [], mergedInto: null };
  }

  async link(record: RecordName, entityId: string, by: string): Promise<EventId> {
    const binding = await this.#binding(record);
    const to = nameOfKind(record.kind, entityId);
    if (binding.entityId === to) throw contradiction(`the record stands under ${to} already`);
    const links = await this.#living(to);
    if (!binding.gone) refuseRival(record, links);
    return this.#order(record, to, 'link', by);
  }

  /** Without a name the entity is called after the record. */
  async split(record: RecordName, entityId: string | undefined, by: string): Promise<EventId> {
    const binding = await this.#binding(record);
    const { records } = await this.links(binding.entityId);
    if (records.length < 2) throw contradiction(`the record has ${binding.entityId} for itself already`);
    const to = entityId === undefined ? ownNameOf(record.kind, record.source, record.key) : nameOfKind(record.kind, entityId);
    if (await this.#isTaken(to)) {
      const advice = entityId === undefined ? ': say `entityId`, another name for its own entity' : '';
      throw contradiction(`an entity is or was called ${to}${advice}`);
    }
    return this.#order(record, to, 'split', by);
  }

  /** Doing it again tells those that stand there still. */
  async merge(fromId: string, intoId: string, by: string): Promise<EventId[]> {
    if (fromId === intoId) throw invalid('into', 'an entity cannot be merged into itself');
    const from = await this.#known(fromId);
    const into = await this.#living(intoId);
    if (from.kind !== into.kind) throw invalid('into', `${fromId} is a ${from.kind}, ${intoId} a ${into.kind}`);
    const [source, target] = [fromId as EntityId, intoId as EntityId];
    const verdict = await this.#deps.registry.merge(from.kind, source, target, by);
    if (verdict.kind === 'refused') {
      const named = verdict.rivals.map((rival) => `${rival.source} (${rival.keys.join(' and ')})`).join(', ');
      throw contradiction(`a source has a record of its own under both: ${named}`, { rivals: verdict.rivals });
    }
    const orders = verdict.moving.map((record) => ({ record, to: target, reason: 'merge', by }) as const);
    return this.#deps.relinks.send(orders);
  }

  async #order(record: RecordName, to: EntityId, reason: 'link' | 'split', by: string): Promise<EventId> {
    const [eventId] = await this.#deps.relinks.send([{ record, to, reason, by }]);
    return eventId!;
  }

  async #binding(record: RecordName): Promise<Binding> {
    const { source, kind, key } = record;
    const { sources } = this.#deps;
    if (!Object.hasOwn(sources, source)) throw unknownName('source', source, Object.keys(sources));
    const { entities } = sources[source]!;
    const entity = Object.hasOwn(entities, kind) ? entities[kind] : undefined;
    if (entity === undefined) throw unknownName('kind', kind, Object.keys(entities), source);
    if ((entity.identity ?? []).length === 0)
      throw invalid('kind', `the kind ${kind} of ${source} has no match keys: each of its records is its own entity`);
    const binding = await this.#deps.registry.bindingOf(record);
    if (binding === null) throw new SyncError('request.not-found', `${source} has never told of a ${kind} with the key ${key}`);
    return binding;
  }

  async #known(entityId: string): Promise<EntityLinks> {
    const links = await this.#deps.registry.linksOf(entityId);
    if (links === null) throw unknownEntity(entityId);
    return links;
  }

  /** One that records can go to. */
  async #living(entityId: string): Promise<EntityLinks> {
    const links = await this.#known(entityId);
    const departure = departureOf(links);
    if (departure !== null) throw contradiction(`no record stands under ${entityId} any more: ${departure}`);
    if (links.records.length === 0) throw contradiction(`no record stands under ${entityId} any more`);
    return links;
  }

  async #isTaken(entityId: EntityId): Promise<boolean> {
    const [links, states] = await Promise.all([this.#deps.registry.linksOf(entityId), this.#deps.store.syncStatesOf(entityId)]);
    return links !== null || states.some(({ sourceType }) => sourceType === goldenSourceType);
  }
}

function refuseRival({ source, key }: RecordName, { entityId, records }: EntityLinks): void {
  const rival = records.find((other) => other.source === source && other.key !== key && !other.gone);
  if (rival === undefined) return;
  throw contradiction(`${source} has the record ${rival.key} under ${entityId}: one of the two has to go first`, {
    rivals: [{ source, keys: [key, rival.key] }],
  });
}

function nameOfKind(kind: string, entityId: string): EntityId {
  if (!entityId.startsWith(`${kind}:`) || entityId === `${kind}:`)
    throw invalid('entityId', `${entityId} is no entity of the kind ${kind}: its name would begin with ${kind}:`);
  return entityIdOf(kind, entityId.slice(kind.length + 1));
}

function contradiction(message: string, details: Readonly<Record<string, unknown>> = {}): SyncError {
  return new SyncError('request.conflict', message, { details });
}

function invalid(field: string, message: string): SyncError {
  return new SyncError('request.invalid', `body: ${field}: ${message}`, {
    details: { errors: [{ field, code: 'invalid', message }] },
  });
}
